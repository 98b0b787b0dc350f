"""What pages share: live fragments, and our errors beside the field that caused them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from netboot_site.errors import OrchestratorError

ROWS_PER_PAGE = 50
LIVE_SECONDS = 5  # a page that is left open all day asks no more often
REFUSED = 422
_COUNTED = re.compile(r' value="[^"]*"(?= data-since=)')


def live_fragment(request: HttpRequest, template: str, context: Mapping[str, Any], *, url: str) -> SafeString:
    """A part of a page that asks again by itself, and names what it shows so that the answer can be 204."""
    body = render_to_string(template, dict(context), request=request)
    shown = {"body": body, "url": url, "seconds": LIVE_SECONDS, "seen": seen_of(body)}
    return render_to_string("components/live.html", shown)


def seen_of(body: str) -> str:
    """A short name of what a part shows; what our script counts on by itself is no change."""
    return hashlib.sha256(_COUNTED.sub("", body).encode()).hexdigest()[:16]


def live_answer(request: HttpRequest, fragment: SafeString) -> HttpResponse:
    """The fragment, or 204 (htmx leaves the page alone) if the asking page shows just that."""
    seen = request.GET.get("seen", "")
    if seen and f'seen={seen}"' in fragment:
        return HttpResponse(status=204)
    answer = HttpResponse(fragment)
    answer["Cache-Control"] = "no-store"
    return answer


def asked(request: HttpRequest, name: str) -> str:
    """What a page's address asks for; without NUL, which PostgreSQL takes in no text."""
    return request.GET.get(name, "").replace("\0", "").strip()


@dataclass(frozen=True, slots=True)
class Filter:
    """A choice in the head of a list: its name in the address, and what is chosen."""

    name: str
    label: str
    choices: Sequence[tuple[str, str]]
    chosen: str


def address_of(request: HttpRequest) -> str:
    """What the address of a list asks for, as the address of its live part has it."""
    query = request.GET.copy()
    query.pop("seen", None)
    return query.urlencode()


def page_of(request: HttpRequest, rows: QuerySet[Any]) -> Page[Any]:
    """The page of rows that the request asks for; a number out of range gives the nearest page."""
    return Paginator(rows, ROWS_PER_PAGE).get_page(request.GET.get("page"))


def attempt(form: Form, change: Callable[[], object], *, field: str | None = None) -> bool:
    """Carry out a change; a refusal becomes an error of the form (of its `field`), and the input stays."""
    try:
        change()
    except OrchestratorError as error:
        form.add_error(field, str(error))
    return form.is_valid()


def attempt_and_return(
    request: HttpRequest, change: Callable[[], object], *, to: str, done: str, refused: str = ""
) -> HttpResponse:
    """A button's change: tell how it went, and go on to a page (another one if it was `refused`).

    Where our script pressed the button the page stays, and a note tells.
    """
    try:
        change()
    except OrchestratorError as error:
        if request.headers.get("HX-Request"):
            return _event("refused", str(error))
        messages.error(request, str(error))
        return redirect(refused or to)
    return saved(request, to=to, done=done)


def saved(request: HttpRequest, *, to: str, done: str) -> HttpResponse:
    """After a form was carried out: a dialog closes where it stands, a page goes on to `to`."""
    if request.headers.get("HX-Request"):
        return _event("saved", done)
    messages.success(request, done)
    return redirect(to)


def _event(name: str, message: str) -> HttpResponse:
    return HttpResponse(status=204, headers={"HX-Trigger": json.dumps({name: {"message": message}})})


def layout_of(request: HttpRequest) -> str:
    """What a form's template extends: a page of its own, or the dialog that htmx fills."""
    return "components/dialog.html" if request.headers.get("HX-Request") else "base.html"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before something is done: a sentence of what happens, and what is lost."""

    title: str
    text: str
    submit: str
    symbol: str = "check"
    lost: str = ""
    back: tuple[str, str] = ("", "")  # where the page without our script leads back to: address, name
    edition: str = ""  # what the question was made from, where somebody may be faster


def posted(request: HttpRequest) -> Any:
    """A form's data, if one was sent; also one without fields."""
    return request.POST if request.method == "POST" else None


def ask(
    request: HttpRequest, question: Question, form: Form, change: Callable[[], object], *, to: str, done: str
) -> HttpResponse:
    """A question with its form, in a dialog or on a page; answered, the change is carried out."""
    if request.method == "POST" and form.is_valid() and attempt(form, change):
        return saved(request, to=to, done=done)
    context = {"question": question, "form": form, "layout": layout_of(request)}
    return render(request, "components/ask.html", context, status=REFUSED if form.errors else 200)
