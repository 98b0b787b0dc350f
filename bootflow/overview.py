"""What pages read of devices and boots; each function is a fixed number of queries, whatever the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, OuterRef, Q, QuerySet, Subquery

from bootflow.models import Boot, BootEvent
from bootflow.timeline import Mark, marks_of
from devices.models import Device, DeviceState
from netboot_site.errors import ValidationError
from netboot_site.formats import parse_mac

RUNNING_SHOWN = 30
WAITING_SHOWN = 12
LAST_SHOWN = 8


@dataclass(frozen=True, slots=True)
class TrackedBoot:
    """A boot with its track of stages."""

    boot: Boot
    marks: list[Mark]


def named(boots: QuerySet[Boot]) -> QuerySet[Boot]:
    """Boots with the name and state of their device: a boot knows its MAC address alone."""
    device = Device.objects.filter(mac=OuterRef("mac"))
    return boots.annotate(
        device_name=Subquery(device.values("name")[:1]), device_state=Subquery(device.values("state")[:1])
    )


def first_times(boots: Iterable[Boot]) -> dict[int, dict[str, datetime]]:
    """When each boot reached each stage. One query for all of them."""
    times: dict[int, dict[str, datetime]] = {}
    rows = BootEvent.objects.filter(boot__in=[boot.pk for boot in boots]).order_by()
    for boot_id, stage, at in rows.values_list("boot_id", "stage").annotate(at=Min("at")):
        times.setdefault(boot_id, {})[stage] = at
    return times


def tracked(boots: Iterable[Boot]) -> list[TrackedBoot]:
    """Boots with their tracks."""
    rows = list(boots)
    times = first_times(rows)
    return [TrackedBoot(boot, marks_of(boot, times.get(boot.pk, {}))) for boot in rows]


def running_boots() -> list[TrackedBoot]:
    """Machines that boot right now, the newest first."""
    return tracked(named(Boot.objects.filter(finished_at=None))[:RUNNING_SHOWN])


def last_boots() -> list[TrackedBoot]:
    """The boots that ended last."""
    return tracked(named(Boot.objects.exclude(finished_at=None))[:LAST_SHOWN])


def waiting_devices() -> list[Device]:
    """Machines that asked to boot and that nobody has approved, the latest to ask first."""
    return list(Device.objects.discovered().order_by("-last_seen_at", "mac")[:WAITING_SHOWN])


def device_counts() -> dict[str, int]:
    """How many devices are in each state."""
    counts: dict[str, int] = Device.objects.aggregate(
        **{state.value: Count("pk", filter=Q(state=state)) for state in DeviceState}
    )
    return {**counts, "known": counts[DeviceState.ENROLLED] + counts[DeviceState.DISABLED]}


def search_devices(*, text: str, state: str, group: str = "") -> QuerySet[Device]:
    """Registered devices (or those of one state) whose name, address, serial or group holds the text."""
    rows = Device.objects.filter(state=state) if state in DeviceState.values else Device.objects.known()
    if group:
        rows = rows.filter(group__name=group)
    if text:
        rows = rows.filter(_holds(text))
    return rows.select_related("group", "export__image", "boot_plan").order_by("name", "mac")


def _holds(text: str) -> Q:
    found = Q(name__icontains=text) | Q(serial__icontains=text) | Q(group__name__icontains=text)
    found |= Q(mac__contains=text.lower().replace("-", ":"))
    try:
        return found | Q(mac=parse_mac(text))
    except ValidationError:  # not a whole address: the text alone is looked for
        return found


def search_boots(*, text: str, outcome: str) -> QuerySet[Boot]:
    """Boots by outcome (`running` for those in progress), and by the name or address of their device."""
    rows = Boot.objects.all()
    if outcome == "running":
        rows = rows.filter(finished_at=None)
    elif outcome:
        rows = rows.filter(outcome=outcome, finished_at__isnull=False)
    if text:
        rows = rows.filter(mac__in=Device.objects.filter(_holds(text)).values("mac"))
    return named(rows)
