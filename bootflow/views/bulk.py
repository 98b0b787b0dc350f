"""Pages of one change of many devices: the question, how far it is, and what became of each device."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from bootflow.bulk import begin_bulk, carry_on, get_bulk, macs_done, stop_bulk
from bootflow.bulk_forms import SENTENCES, BulkForm, concerned, form_of, held_back_by, lost_by
from bootflow.models import BulkAction, BulkChange
from bootflow.overview import search_devices
from bootflow.views.device_table import address_of, filter_of
from netboot_site.errors import NotFoundError
from netboot_site.pages import (
    REFUSED,
    attempt,
    attempt_and_return,
    layout_of,
    live_answer,
    live_fragment,
    saved,
)
from netboot_site.roles import operator_required

AT_ONCE_SECONDS = 2.0  # done while the person waits; the rest in the background
SHOWN = 500  # fates told one by one; the others are counted, and the API tells all
_PAST = {
    BulkAction.ENABLE: "enabled", BulkAction.DISABLE: "disabled", BulkAction.GROUP: "moved",
    BulkAction.ASSIGN: "given their disk", BulkAction.UNASSIGN: "without a disk now",
    BulkAction.BOOT_ONCE: "set for their next boot", BulkAction.RESET: "reset", BulkAction.DELETE: "deleted",
}  # fmt: skip
_SYMBOLS = {
    BulkAction.ENABLE: "player-play", BulkAction.DISABLE: "player-pause", BulkAction.GROUP: "users-group",
    BulkAction.ASSIGN: "link", BulkAction.UNASSIGN: "unlink", BulkAction.BOOT_ONCE: "rocket",
    BulkAction.RESET: "refresh", BulkAction.DELETE: "trash",
}  # fmt: skip


@operator_required
def change_many(request: HttpRequest) -> HttpResponse:
    """Asked with the ticked rows, or with a filter and `all=1`; answered, it begins."""
    data = request.POST if request.method == "POST" else None
    macs = data.get("macs", "").replace("\0", "").split() if data is not None else _chosen(request)
    action = (data if data is not None else request.GET).get("action", "")
    if action not in BulkAction.values:
        raise Http404(f"There is no action {action[:20]!r}.")
    form = form_of(action, macs, data)
    if data is not None and form.is_valid():
        begun: list[BulkChange] = []
        if attempt(form, lambda: begun.append(_begin(request, form, action, macs))):
            return _told(request, begun[0])
    return _question(request, form, action, macs)


def _chosen(request: HttpRequest) -> list[str]:
    if request.GET.get("all"):
        return list(search_devices(filter_of(request)).values_list("mac", flat=True))
    return [mac.replace("\0", "") for mac in request.GET.getlist("mac")]


def _begin(request: HttpRequest, form: BulkForm, action: str, macs: list[str]) -> BulkChange:
    bulk = begin_bulk(
        number=form.cleaned_data["number"], action=action, arguments=form.arguments(), macs=macs,
        person=request.user.get_username(),
    )  # fmt: skip
    carry_on(bulk=bulk, seconds=AT_ONCE_SECONDS)
    return bulk


def _told(request: HttpRequest, bulk: BulkChange) -> HttpResponse:
    """Where all went well a note is enough; else each one's fate, where the question was."""
    address = f"/devices/bulk/{bulk.pk}/"
    if not request.headers.get("HX-Request"):
        return redirect(address)
    if bulk.state == "done" and not bulk.refused:
        return saved(request, to=address, done=_headline(bulk))
    return _result(request, bulk)


def _question(request: HttpRequest, form: BulkForm, action: str, macs: list[str]) -> HttpResponse:
    about = concerned(macs)
    context = {
        "form": form, "action": action, "about": about, "layout": layout_of(request),
        "title": BulkAction(action).label, "symbol": _SYMBOLS[BulkAction(action)],
        "sentence": SENTENCES[BulkAction(action)], "lost": lost_by(action, about),
        "held_back": held_back_by(action, about), "back": address_of(filter_of(request)),
    }  # fmt: skip
    return render(
        request, "devices/bulk.html", context, status=REFUSED if form.errors or not about.count else 200
    )


@operator_required
def bulk_result(request: HttpRequest, number: str) -> HttpResponse:
    """How far it is, and what became of each device."""
    return _result(request, _bulk(number))


@operator_required
def bulk_live(request: HttpRequest, number: str) -> HttpResponse:
    """The part of it that changes by itself."""
    return live_answer(request, _fragment(request, _bulk(number)))


@operator_required
@require_POST
def bulk_stop(request: HttpRequest, number: str) -> HttpResponse:
    """Whoever has not had their turn stays as they are."""
    bulk = _bulk(number)
    return attempt_and_return(
        request, lambda: stop_bulk(bulk=bulk), to=f"/devices/bulk/{bulk.pk}/",
        done="It is stopped; the rest stay as they are.",
    )  # fmt: skip


def _bulk(number: str) -> BulkChange:
    try:
        return get_bulk(number=number)
    except NotFoundError as error:
        raise Http404(str(error)) from error


def _result(request: HttpRequest, bulk: BulkChange) -> HttpResponse:
    context = {
        "title": bulk.get_action_display(),
        "live": _fragment(request, bulk),
        "layout": layout_of(request),
    }
    return render(request, "devices/bulk_result.html", context)


def _fragment(request: HttpRequest, bulk: BulkChange) -> SafeString:
    context: dict[str, Any] = {"bulk": bulk, "headline": _headline(bulk), "count": len(bulk.devices)}
    done, names = macs_done(bulk), dict(bulk.devices)
    context |= {"done": [(mac, names[mac]) for mac in done[:SHOWN]], "done_more": max(0, len(done) - SHOWN)}
    context |= {"refused": bulk.refused[:SHOWN], "refused_more": max(0, len(bulk.refused) - SHOWN)}
    if bulk.finished_at is None:
        return live_fragment(
            request, "devices/bulk_progress.html", context, url=f"/devices/bulk/{bulk.pk}/live/"
        )
    return render_to_string("devices/bulk_progress.html", context, request=request)


def _headline(bulk: BulkChange) -> str:
    done = len(macs_done(bulk))
    name = (bulk.devices[0][1] or bulk.devices[0][0]) if len(bulk.devices) == 1 else ""
    who = f"{name} is" if name and done else f"{done} device{' is' if done == 1 else 's are'}"
    return f"{who} {_PAST[BulkAction(bulk.action)]}."
