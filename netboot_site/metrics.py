"""Figures for Prometheus: `/metrics`, counted when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter

from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from bootflow.models import Boot, Outcome
from devices.models import Device
from images.models import Image, Job, Session
from images.space import NodeSpace, node_spaces
from netboot_site.models import Heartbeat

_STORAGE_FIGURES: dict[str, tuple[str, Callable[[NodeSpace], float | None]]] = {
    "capacity_bytes": ("Size of a node's disk.", attrgetter("capacity_bytes")),
    "free_bytes": ("Free space on a node's disk.", attrgetter("free_bytes")),
    "used_bytes": ("What a node's images take.", attrgetter("used_bytes")),
    "committed_bytes": ("What a node's images may grow to.", attrgetter("committed_bytes")),
    "reserve_bytes": ("Below this much free space nothing new is started.", attrgetter("reserve_bytes")),
    "short_of_room": ("1 if nothing new is started on a node.", attrgetter("short_of_room")),
    "orphans": ("Files on a node that belong to no image.", lambda space: len(space.orphans)),
}


def _gauges(name: str, help_text: str, label: str, rows: Iterator[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for value, number in rows:
        family.add_metric([value], number)
    return family


def _storage() -> Iterator[Metric]:
    spaces = node_spaces()
    for name, (help_text, figure) in _STORAGE_FIGURES.items():
        rows = ((space.name, figure(space) or 0) for space in spaces)
        yield _gauges(f"netboot_storage_{name}", help_text, "node", rows)


def _heartbeats() -> Metric:
    now = timezone.now()
    ages = ((beat.name, (now - beat.beat_at).total_seconds()) for beat in Heartbeat.objects.all())
    help_text = "Seconds since a service's last round."
    family = GaugeMetricFamily("netboot_heartbeat_age_seconds", help_text, labels=["service"])
    for name, seconds in ages:
        family.add_metric([name], seconds)
    return family


class _Figures:
    """A collector that asks PostgreSQL at each scrape: the same figures from whichever process answers."""

    def collect(self) -> Iterator[Metric]:
        """All families, each from one query."""
        devices = Device.objects.order_by().values_list("state").annotate(number=Count("pk"))
        yield _gauges("netboot_devices", "Devices by state.", "state", devices.iterator())
        images = Image.objects.order_by().values_list("state").annotate(number=Count("pk"))
        yield _gauges("netboot_images", "Images by state.", "state", images.iterator())
        jobs = Job.objects.order_by().values_list("state").annotate(number=Count("pk"))
        yield _gauges("netboot_jobs", "Kept long work on images by state.", "state", jobs.iterator())
        running = Boot.objects.filter(finished_at=None).count()
        yield GaugeMetricFamily("netboot_boots_in_progress", "Boots that go on now.", value=running)
        ended = Boot.objects.exclude(outcome=Outcome.RUNNING).order_by()
        outcomes = ended.values_list("outcome").annotate(number=Count("pk"))
        yield _gauges(
            "netboot_boots_kept", "Ended boots in the kept history.", "outcome", outcomes.iterator()
        )
        latest = Boot.objects.aggregate(at=Max("started_at"))["at"]
        seconds = latest.timestamp() if latest else 0
        yield GaugeMetricFamily(
            "netboot_last_boot_timestamp_seconds", "When a boot last began.", value=seconds
        )
        sessions = Session.objects.filter(ended_at=None).count()
        yield GaugeMetricFamily("netboot_iscsi_sessions", "Initiators logged in.", value=sessions)
        yield from _storage()
        yield _heartbeats()


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer Prometheus in its text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
