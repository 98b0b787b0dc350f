"""Figures for Prometheus: `/metrics`, counted when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from bootflow.models import Boot, Outcome
from devices.models import Device
from images.models import Image, Session, StorageNode
from netboot_site.models import Heartbeat


def _counts(name: str, help_text: str, label: str, rows: Iterator[tuple[str, int]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for value, number in rows:
        family.add_metric([value], number)
    return family


def _storage() -> Iterator[Metric]:
    capacity = GaugeMetricFamily("netboot_storage_capacity_bytes", "Size of a node's disk.", labels=["node"])
    free = GaugeMetricFamily("netboot_storage_free_bytes", "Free space on a node's disk.", labels=["node"])
    used = GaugeMetricFamily("netboot_storage_used_bytes", "What a node's images take.", labels=["node"])
    for node in StorageNode.objects.all():
        capacity.add_metric([node.name], node.observed_capacity_bytes or 0)
        free.add_metric([node.name], node.observed_free_bytes or 0)
        used.add_metric([node.name], node.observed_used_bytes or 0)
    yield from (capacity, free, used)


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
        yield _counts("netboot_devices", "Devices by state.", "state", devices.iterator())
        images = Image.objects.order_by().values_list("state").annotate(number=Count("pk"))
        yield _counts("netboot_images", "Images by state.", "state", images.iterator())
        running = Boot.objects.filter(finished_at=None).count()
        yield GaugeMetricFamily("netboot_boots_in_progress", "Boots that go on now.", value=running)
        ended = Boot.objects.exclude(outcome=Outcome.RUNNING).order_by()
        outcomes = ended.values_list("outcome").annotate(number=Count("pk"))
        yield _counts(
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
