"""What pages share: live fragments, and our errors beside the field that caused them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from netboot_site.errors import OrchestratorError

ROWS_PER_PAGE = 50
IDLE_SECONDS = 5
BUSY_SECONDS = 2  # while a machine boots or waits, and somebody watches it


def live_fragment(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, url: str, busy: bool = False
) -> SafeString:
    """A part of a page that asks again by itself, and names what it shows so that the answer can be 204."""
    body = render_to_string(template, dict(context), request=request)
    seconds = BUSY_SECONDS if busy else IDLE_SECONDS
    seen = hashlib.sha256(f"{seconds}{body}".encode()).hexdigest()[:16]
    return render_to_string(
        "components/live.html", {"body": body, "url": url, "seconds": seconds, "seen": seen}
    )


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
    """A button's change: tell how it went, and go on to a page (another one if it was `refused`)."""
    try:
        change()
    except OrchestratorError as error:
        messages.error(request, str(error))
        return redirect(refused or to)
    messages.success(request, done)
    return redirect(to)


def saved(request: HttpRequest, *, to: str, done: str) -> HttpResponse:
    """After a form was carried out: a dialog closes where it stands, a page goes on to `to`."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Trigger": json.dumps({"saved": {"message": done}})})
    messages.success(request, done)
    return redirect(to)


def layout_of(request: HttpRequest) -> str:
    """What a form's template extends: a page of its own, or the dialog that htmx fills."""
    return "components/dialog.html" if request.headers.get("HX-Request") else "base.html"
