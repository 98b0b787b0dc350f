"""The dashboard's figures, for the page and for GET /api/v1/dashboard alike."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from bootflow.figures import DeviceFigures, device_figures, last_failures
from bootflow.models import Boot, Installer
from bootflow.overview import LAST_SHOWN, RUNNING_SHOWN, TrackedBoot, named, tracked
from bootflow.running import RunningBoot, against_usual
from images.overview import StorageTotals, storage_totals
from netboot_site.service_states import Service, service_states


@dataclass(frozen=True, slots=True)
class Figures:
    """All of it, as it is now."""

    devices: DeviceFigures
    storage: StorageTotals
    installer_count: int
    running: list[RunningBoot]
    last: list[TrackedBoot]
    failures: list[Boot]
    services: list[Service]

    @property
    def down(self) -> list[Service]:
        """Services that are not at work."""
        return [service for service in self.services if service.state == "down"]

    @property
    def overdue_count(self) -> int:
        """Boots that take longer than they should."""
        return sum(boot.overdue for boot in self.running)


def gather() -> Figures:
    """A fixed number of queries, whatever the rows."""
    now, storage, devices = timezone.now(), storage_totals(), device_figures()
    running = list(named(Boot.objects.filter(finished_at=None))[:RUNNING_SHOWN])
    last = list(named(Boot.objects.exclude(finished_at=None))[:LAST_SHOWN])
    rows = tracked([*running, *last])  # one query for the stages of both
    return Figures(
        devices=devices,
        storage=storage,
        installer_count=Installer.objects.count(),
        running=against_usual(rows[: len(running)], now),
        last=rows[len(running) :],
        failures=last_failures(),
        services=service_states(storage.nodes),
    )
