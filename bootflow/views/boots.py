"""Pages of boots: the list, and one boot from its first packet to its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.safestring import SafeString

from bootflow import bundle
from bootflow.boot_form import BootFilterForm
from bootflow.boot_search import count_causes, listed, page_of_boots, place_of, search_boots
from bootflow.boot_story import story_of, version_of
from bootflow.fetched import is_fetch
from bootflow.models import Boot
from bootflow.overview import named
from bootflow.waterfall import draw
from netboot_site.pages import asked, live_answer, live_fragment

REPORTS_END_AFTER = timedelta(hours=1)  # until then a machine may still report (bootflow/statements.py)
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
    """One boot: its stages, its events, and how it ended."""
    boot = get_object_or_404(named(Boot.objects.all()), pk=boot_id)
    context = _context(boot)
    # Nothing is added to what ended long ago: that page never asks again.
    still = boot.finished_at is None or timezone.now() - boot.finished_at < REPORTS_END_AFTER
    live = _fragment(request, boot, context) if still else None
    return render(request, "boots/detail.html", {**context, "live": live})


def boot_live(request: HttpRequest, boot_id: int) -> HttpResponse:
    """The part of it that grows; nothing is drawn for a page that knows the newest version."""
    boot = get_object_or_404(named(Boot.objects.all()), pk=boot_id)
    if request.GET.get("version") == version_of(boot):
        return HttpResponse(status=204)
    return live_answer(request, _fragment(request, boot, _context(boot)))


def boot_bundle(request: HttpRequest, boot_id: int) -> HttpResponse:
    """All that is known of it as a file: JSON, or `?format=text`."""
    boot = get_object_or_404(Boot, pk=boot_id)
    return bundle.answer(story_of(boot), "text" if asked(request, "format") == "text" else "json")


def _fragment(request: HttpRequest, boot: Boot, context: dict[str, Any]) -> SafeString:
    url = f"/boots/{boot.pk}/live/?version={quote(version_of(boot))}"
    return live_fragment(request, "boots/live.html", context, url=url)


def _context(boot: Boot) -> dict[str, Any]:
    # A boot in progress is drawn to its last event: so the picture changes only when something happened.
    story = story_of(boot)
    labels = {mark.stage: mark.label for mark in story.marks}
    return {
        "boot": boot, "story": story, "drawing": draw(story.whole, story.steps), "fetches": story.fetches,
        "count": len(story.events),
        "lines": [
            (event, labels.get(event.stage, event.get_stage_display()))
            for event in story.events if story.fetches is None or not is_fetch(event)
        ],
    }  # fmt: skip
