"""Pages of boots: the list, and one boot from its first packet to its end."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import SafeString

from bootflow.boot_form import BootFilterForm
from bootflow.boot_search import count_causes, listed, page_of_boots, place_of, search_boots
from bootflow.fetched import fetches_of, is_fetch
from bootflow.models import Boot
from bootflow.overview import first_times, named
from bootflow.timeline import bars_of, marks_of, ticks_of
from netboot_site.pages import asked, live_answer, live_fragment

EVENTS_SHOWN = 500
CAUSES_SHOWN = 6


def boot_list(request: HttpRequest) -> HttpResponse:
    """All boots, newest first, a page at a time; the newest page is live."""
    form = BootFilterForm(request.GET)
    context = _list_context(request, form)
    is_newest = context["newer"] is None
    context |= {"form": form, "live": _live_list(request, context) if is_newest else ""}
    return render(request, "boots/list.html", context)


def boot_list_live(request: HttpRequest) -> HttpResponse:
    """The newest page's boots, and why boots failed."""
    form = BootFilterForm(request.GET)
    return live_answer(request, _live_list(request, _list_context(request, form)))


def _live_list(request: HttpRequest, context: dict[str, Any]) -> SafeString:
    wanted = request.GET.copy()
    for name in ("seen", "before", "after"):
        wanted.pop(name, None)
    url = f"/boots/live/?{wanted.urlencode()}" if wanted else "/boots/live/"
    return live_fragment(request, "boots/list_live.html", context, url=url)


def _list_context(request: HttpRequest, form: BootFilterForm) -> dict[str, Any]:
    wanted = form.chosen()
    page = page_of_boots(
        search_boots(wanted),
        before=place_of(asked(request, "before")), after=place_of(asked(request, "after")),
    )  # fmt: skip
    without = request.GET.copy()
    for name in ("reason", "seen", "before", "after"):
        without.pop(name, None)
    # A link to a kind of reason keeps the rest of the filter.
    return {
        "rows": listed(page.rows), "newer": page.newer, "older": page.older, "wanted": wanted,
        "is_filtered": any(request.GET.get(name) for name in form.fields),
        "causes": count_causes(wanted)[:CAUSES_SHOWN], "kept": without.urlencode(),
    }  # fmt: skip


def boot_detail(request: HttpRequest, boot_id: int) -> HttpResponse:
    """One boot: its time line, its events, and how it ended."""
    boot = get_object_or_404(named(Boot.objects.all()), pk=boot_id)
    return render(request, "boots/detail.html", {"boot": boot, "live": _fragment(request, boot)})


def boot_live(request: HttpRequest, boot_id: int) -> HttpResponse:
    """The part of it that grows."""
    boot = get_object_or_404(named(Boot.objects.all()), pk=boot_id)
    return live_answer(request, _fragment(request, boot))


def _fragment(request: HttpRequest, boot: Boot) -> SafeString:
    return live_fragment(request, "boots/live.html", _context(boot), url=f"/boots/{boot.pk}/live/")


def _context(boot: Boot) -> dict[str, Any]:
    # A boot in progress is drawn to its last event: so the picture changes only when something happened.
    until = boot.finished_at or max(boot.last_event_at, boot.started_at)
    marks = marks_of(boot, first_times([boot]).get(boot.pk, {}))
    total = (until - boot.started_at).total_seconds()
    events = list(boot.events.all()[:EVENTS_SHOWN])
    fetches = fetches_of(boot, events)
    labels = {mark.stage: mark.label for mark in marks}
    return {
        "boot": boot, "marks": marks, "bars": bars_of(boot, marks, until), "count": len(events),
        "stage": labels.get(boot.stage, boot.get_stage_display()), "fetches": fetches,
        "ticks": ticks_of(total) if total > 0 else [], "total": total,
        "lines": [
            (event, labels.get(event.stage, event.get_stage_display()))
            for event in events if fetches is None or not is_fetch(event)
        ],
        # A Pi's file has the time since the step before, its firmware's own included.
        "server_seconds": sum(
            float(event.facts.get("seconds") or 0) for event in events if "role" not in event.facts
        ),
    }  # fmt: skip
