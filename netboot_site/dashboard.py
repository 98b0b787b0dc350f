"""The dashboard: what a person sees first."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString

from bootflow.overview import waiting_devices
from bootflow.pi_overview import with_notes
from netboot_site.figures import gather
from netboot_site.first_start import first_steps
from netboot_site.pages import live_answer, live_fragment


def index(request: HttpRequest) -> HttpResponse:
    """The page."""
    return render(request, "dashboard/index.html", {"live": _fragment(request)})


def live(request: HttpRequest) -> HttpResponse:
    """Its live part; 204 while nothing has changed."""
    return live_answer(request, _fragment(request))


def _fragment(request: HttpRequest) -> SafeString:
    figures = gather()
    steps = first_steps(figures)
    context = {
        "figures": figures, "waiting": with_notes(waiting_devices()), "steps": steps,
        "done": sum(step.done for step in steps), "next": next((s for s in steps if not s.done), None),
    }  # fmt: skip
    return live_fragment(request, "dashboard/live.html", context, url="/dashboard/live/")
