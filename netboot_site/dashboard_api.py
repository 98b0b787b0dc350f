"""GET /api/v1/dashboard: what the dashboard shows, for programs."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema

from bootflow.models import Boot
from bootflow.running import RunningBoot
from images.overview import StorageTotals
from netboot_site.figures import Figures, gather

router = Router(tags=["operation"])


class DeviceFiguresOut(Schema):
    """Devices by state; `active` ones use a disk, boot, or asked something within five minutes."""

    known: int
    active: int
    enrolled: int
    disabled: int
    discovered: int
    ignored: int
    booting: int
    disks_in_use: int


class ImageFiguresOut(Schema):
    """Images, and how many of them are being imported or have failed."""

    count: int
    importing: int
    failed: int


class StorageFiguresOut(Schema):
    """All storage nodes together: what there is, what is taken, and what is promised to disks."""

    capacity_bytes: int
    free_bytes: int
    used_bytes: int
    committed_bytes: int


class RunningBootOut(Schema):
    """A boot in progress, and what its device's last boots took (null if there are none)."""

    id: int
    mac: str
    name: str
    stage: str
    started_at: datetime
    elapsed_seconds: float
    usual_seconds: float | None
    p95_seconds: float | None
    overdue: bool


class FailureOut(Schema):
    """A boot that failed, and why."""

    id: int
    mac: str
    name: str
    stage: str
    started_at: datetime
    reason: str


class ServiceOut(Schema):
    """A service: `up`, `troubled`, `down` or `unknown`, and what that means for machines."""

    name: str
    node: str
    state: str
    trouble: str


class DashboardOut(Schema):
    """Everything at a glance."""

    devices: DeviceFiguresOut
    images: ImageFiguresOut
    installers: int
    storage: StorageFiguresOut
    running: list[RunningBootOut]
    failures: list[FailureOut]
    services: list[ServiceOut]


@router.get("/dashboard", response=DashboardOut)
def dashboard(request: HttpRequest) -> DashboardOut:
    """Devices by state, storage, boots in progress, the last failures, and the services."""
    return shown(gather())


def shown(figures: Figures) -> DashboardOut:
    """The figures as the API gives them."""
    return DashboardOut(
        devices=DeviceFiguresOut.from_orm(figures.devices),
        images=_images(figures.storage),
        installers=figures.installer_count,
        storage=_storage(figures.storage),
        running=[_running(boot) for boot in figures.running],
        failures=[_failure(boot) for boot in figures.failures],
        services=[ServiceOut.from_orm(service) for service in figures.services],
    )


def _images(totals: StorageTotals) -> ImageFiguresOut:
    return ImageFiguresOut(
        count=totals.image_count, importing=totals.importing_count, failed=totals.failed_count
    )


def _storage(totals: StorageTotals) -> StorageFiguresOut:
    return StorageFiguresOut(
        capacity_bytes=totals.capacity, free_bytes=totals.free,
        used_bytes=totals.used, committed_bytes=totals.promised,
    )  # fmt: skip


def _running(running: RunningBoot) -> RunningBootOut:
    boot, usual = running.tracked.boot, running.usual
    return RunningBootOut(
        id=boot.pk, mac=boot.mac, name=_name(boot), stage=boot.stage, started_at=boot.started_at,
        elapsed_seconds=round(running.elapsed_seconds, 1),
        usual_seconds=round(usual.median_seconds, 1) if usual else None,
        p95_seconds=round(usual.p95_seconds, 1) if usual else None,
        overdue=running.overdue,
    )  # fmt: skip


def _failure(boot: Boot) -> FailureOut:
    return FailureOut(
        id=boot.pk, mac=boot.mac, name=_name(boot), stage=boot.stage,
        started_at=boot.started_at, reason=boot.reason,
    )  # fmt: skip


def _name(boot: Boot) -> str:
    """Of its device; empty where no row knows the address."""
    return getattr(boot, "device_name", "") or ""
