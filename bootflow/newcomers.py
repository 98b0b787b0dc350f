"""What the wizard shows of machines that wait for approval; a fixed number of queries, whatever the rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from bootflow.models import Boot, Outcome
from bootflow.pi_overview import with_notes
from devices.models import Device
from images.overview import overlay_images

SHOWN = 200
ASKS_NOW = timedelta(seconds=60)  # a Raspberry Pi without a waiting system asks once in a while


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A machine that waits, with what a person should know of it."""

    device: Device
    asks_now: bool
    note: str  # why its screen shows no code
    trouble: str  # why its last boot failed


@dataclass(frozen=True, slots=True)
class Newcomers:
    """Those that asked last, in the order of their appearance."""

    rows: list[Newcomer]
    total: int


def newcomers() -> Newcomers:
    """Who waits for approval."""
    waiting = Device.objects.discovered()
    latest = list(waiting.order_by("-last_seen_at", "mac")[:SHOWN])
    latest.sort(key=lambda device: (device.first_seen_at or device.created_at, device.mac))
    failed = _failures(latest)
    since = timezone.now() - ASKS_NOW
    rows = [
        Newcomer(
            device, device.last_seen_at is not None and device.last_seen_at > since, note,
            failed.get(device.mac, ""),
        )
        for device, note in with_notes(latest)
    ]  # fmt: skip
    return Newcomers(rows, len(rows) if len(rows) < SHOWN else waiting.count())


def _failures(devices: list[Device]) -> dict[str, str]:
    """Why the last boot of each failed, where it did."""
    boots = Boot.objects.filter(mac__in=[device.mac for device in devices]).order_by(
        "mac", "-started_at", "-id"
    )
    last = boots.distinct("mac").values_list("mac", "outcome", "reason")
    return {mac: reason for mac, outcome, reason in last if outcome == Outcome.FAILED}


def overlay_is_possible(image_id: str) -> bool:
    """Whether an image has a version that overlays can stand on."""
    return overlay_images().filter(pk=image_id).exists()
