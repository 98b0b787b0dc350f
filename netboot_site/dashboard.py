"""The dashboard: what a person sees first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString

from bootflow.overview import device_counts, last_boots, running_boots, waiting_devices
from bootflow.pi_overview import with_notes
from images.models import StorageNode
from images.overview import storage_totals
from netboot_site.health import HEALTHY, check_processes
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
    """Every service that reported within a day, each node's target server, and the processes beside them.

    One row for each: what a living process reported says more than that it lives.
    """
    now, found = timezone.now(), check_processes()
    recent = Heartbeat.objects.filter(beat_at__gt=now - GONE_AFTER)
    living = [row for row in recent if found.get(row.name, HEALTHY) == HEALTHY]
    beats = [_service(row, now - row.beat_at) for row in living]
    told = {row.name for row in living}
    processes = [_process(name, state) for name, state in sorted(found.items()) if name not in told]
    return [*beats, *[_target_server(node, now) for node in StorageNode.objects.all()], *processes]


def _service(row: Heartbeat, silence: timedelta) -> Service:
    if silence > LATE_AFTER:
        return Service(row.name, "down", "Silent; its log tells why.")
    return Service(row.name, "troubled" if row.last_error else "up", row.last_error)


def _target_server(node: StorageNode, now: datetime) -> Service:
    name = f"iSCSI on {node.name}"
    if node.observed_at is None or now - node.observed_at > LATE_AFTER:
        return Service(name, "unknown", "Its worker has not looked for a while.")
    state = "up" if node.observed_target_server == "ready" else "troubled"
    return Service(name, state, node.last_error)


def _process(name: str, found: str) -> Service:
    return Service(name, "up", "") if found == HEALTHY else Service(name, "down", f"It {found}.")


def _fragment(request: HttpRequest) -> SafeString:
    running, waiting = running_boots(), with_notes(waiting_devices())
    context = {
        "counts": device_counts(),
        "storage": storage_totals(),
        "running": running,
        "waiting": waiting,
        "last": last_boots(),
        "services": services(),
    }
    return live_fragment(request, "dashboard/live.html", context, url="/dashboard/live/")


def index(request: HttpRequest) -> HttpResponse:
    """The page."""
    return render(request, "dashboard/index.html", {"live": _fragment(request)})


def live(request: HttpRequest) -> HttpResponse:
    """Its live part; 204 while nothing has changed."""
    return live_answer(request, _fragment(request))
