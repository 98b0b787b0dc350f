"""How many machines there are, how many of them are at work, and which boots failed last."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone

from bootflow.models import Boot, Outcome
from bootflow.overview import SEEN_LATELY, named
from devices.models import Device, DeviceState
from images.models import Session
from netboot_site.formats import mac_of_hex

FAILURES_SHOWN = 6


@dataclass(frozen=True, slots=True)
class DeviceFigures:
    """Devices by state; active is one that uses a disk now, boots now, or asked something just now."""

    enrolled: int
    disabled: int
    discovered: int
    ignored: int
    active: int
    booting: int
    disks_in_use: int

    @property
    def known(self) -> int:
        """Those that somebody registered or approved."""
        return self.enrolled + self.disabled


def device_figures() -> DeviceFigures:
    """Three queries, whatever the rows."""
    users = _machines_with_open_disks()
    lately = Q(last_seen_at__gte=timezone.now() - SEEN_LATELY)
    boots = Q(mac__in=Boot.objects.filter(finished_at=None).values("mac"))
    unknown = Q(state=DeviceState.DISCOVERED)
    found = Device.objects.aggregate(
        enrolled=Count("pk", filter=Q(state=DeviceState.ENROLLED)),
        disabled=Count("pk", filter=Q(state=DeviceState.DISABLED)),
        discovered=Count("pk", filter=unknown & Q(ignored_at=None)),
        ignored=Count("pk", filter=unknown & ~Q(ignored_at=None)),
        active=Count("pk", filter=~unknown & (lately | boots | Q(mac__in=users))),
    )
    booting = Boot.objects.filter(finished_at=None).count()
    return DeviceFigures(**found, booting=booting, disks_in_use=len(users))


def _machines_with_open_disks() -> list[str]:
    """Addresses told by the names of the initiators that are logged in."""
    begin = f"{settings.IQN_PREFIX}:device."
    open_now = Session.objects.filter(ended_at=None, initiator_name__startswith=begin)
    names = open_now.order_by().values_list("initiator_name", flat=True).distinct()
    return [mac_of_hex(name.removeprefix(begin)) for name in names]


def last_failures() -> list[Boot]:
    """The boots that failed last, with their devices' names."""
    failed = Boot.objects.filter(outcome=Outcome.FAILED)
    return list(named(failed.order_by("-started_at", "-id"))[:FAILURES_SHOWN])
