"""The dashboard: what a person sees first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString

from bootflow.overview import device_counts, last_boots, running_boots, waiting_devices
from images.overview import storage_totals
from netboot_site.models import Heartbeat
from netboot_site.pages import live_answer, live_fragment

LATE_AFTER = timedelta(seconds=30)
GONE_AFTER = timedelta(days=1)  # a node or worker that was taken away


@dataclass(frozen=True, slots=True)
class Service:
    """A service's health as a word."""

    name: str
    state: str
    trouble: str


def services() -> list[Service]:
    """Every service that reported within a day, and whether it still does."""
    now = timezone.now()
    return [
        _service(row, now - row.beat_at) for row in Heartbeat.objects.filter(beat_at__gt=now - GONE_AFTER)
    ]


def _service(row: Heartbeat, silence: timedelta) -> Service:
    if silence > LATE_AFTER:
        return Service(row.name, "down", "Silent; its log tells why.")
    return Service(row.name, "late" if row.last_error else "up", row.last_error)


def _fragment(request: HttpRequest) -> SafeString:
    running, waiting = running_boots(), waiting_devices()
    context = {
        "counts": device_counts(),
        "storage": storage_totals(),
        "running": running,
        "waiting": waiting,
        "last": last_boots(),
        "services": services(),
    }
    return live_fragment(
        request, "dashboard/live.html", context, url="/dashboard/live/", busy=bool(running or waiting)
    )


def index(request: HttpRequest) -> HttpResponse:
    """The page."""
    return render(request, "dashboard/index.html", {"live": _fragment(request)})


def live(request: HttpRequest) -> HttpResponse:
    """Its live part; 204 while nothing has changed."""
    return live_answer(request, _fragment(request))
