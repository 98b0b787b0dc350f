"""What pages read of devices and boots; each function is a fixed number of queries, whatever the rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import (
    Case,
    CharField,
    Exists,
    F,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Concat, NullIf, Replace
from django.utils import timezone

from bootflow.models import Boot, BootEvent, Outcome
from bootflow.timeline import Mark, marks_of
from devices.models import Device, DeviceState
from images.models import Session

RUNNING_SHOWN = 30
WAITING_SHOWN = 12
LAST_SHOWN = 8
SEEN_LATELY = timedelta(minutes=5)
NONE = "${none}"  # a group or disk is wanted that is not there; no name and no identifier can be this


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


def waiting_devices() -> list[Device]:
    """Machines that asked to boot and that nobody has approved, the latest to ask first."""
    return list(Device.objects.discovered().order_by("-last_seen_at", "mac")[:WAITING_SHOWN])


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices a list shows, and in which order; empty: all that are registered, by name."""

    text: str = ""
    state: str = ""  # one of DeviceState or of DOING
    device_type: str = ""
    group: str = ""  # its name, or NONE
    image: str = ""  # its identifier, or NONE
    sort: str = "name"  # a key of SORTS; with a minus before it the other way round


def search_devices(wanted: DeviceFilter) -> QuerySet[Device]:
    """The devices of a filter in its order, which leaves no two rows to chance; no table joined for show."""
    rows = _of_state(wanted.state)
    if wanted.text:
        rows = rows.filter(holds(wanted.text))
    if wanted.device_type:
        rows = rows.filter(device_type=wanted.device_type)
    if wanted.group:
        rows = rows.filter(group=None) if wanted.group == NONE else rows.filter(group__name=wanted.group)
    if wanted.image:
        none = wanted.image == NONE
        rows = rows.filter(export=None) if none else rows.filter(export__image=wanted.image)
    return _in_order(rows, wanted.sort)


def _of_state(state: str) -> QuerySet[Device]:
    """Registered devices, or those of one state, or those that do something just now."""
    if state in DOING:
        return DOING[state](Device.objects.known())
    if state == DeviceState.DISCOVERED:
        return Device.objects.discovered()
    return Device.objects.filter(state=state) if state in DeviceState.values else Device.objects.known()


def last_boot(field: str) -> Subquery:
    """A field of the latest boot of a device, beside its row."""
    return Subquery(Boot.objects.filter(mac=OuterRef("mac")).order_by("-started_at", "-id").values(field)[:1])


def _in_use_now() -> Exists:
    digits = Replace(OuterRef("mac"), Value(":"), Value(""))
    name = Concat(Value(f"{settings.IQN_PREFIX}:device."), digits, output_field=CharField())
    return Exists(Session.objects.filter(initiator_name=name, ended_at=None))


def _boots_now() -> Exists:
    return Exists(Boot.objects.filter(mac=OuterRef("mac"), finished_at=None))


def _failed(rows: QuerySet[Device]) -> QuerySet[Device]:
    return rows.alias(last_outcome=last_boot("outcome")).filter(last_outcome=Outcome.FAILED)


def _active(rows: QuerySet[Device]) -> QuerySet[Device]:
    """Those that use a disk, boot, or asked something just now."""
    lately = Q(last_seen_at__gte=timezone.now() - SEEN_LATELY)
    return rows.filter(lately | Q(_boots_now()) | Q(_in_use_now()))


DOING: dict[str, Callable[[QuerySet[Device]], QuerySet[Device]]] = {
    "active": _active,
    "booting": lambda rows: rows.filter(_boots_now()),
    "in-use": lambda rows: rows.filter(_in_use_now()),
    "failed": _failed,
}


def _or_nothing(field: str) -> NullIf:
    return NullIf(F(field), Value(""))


SORTS: dict[str, Any] = {
    **{name: F(name) for name in ("name", "mac", "state", "device_type", "created_at", "last_seen_at")},
    **{name: _or_nothing(name) for name in ("serial", "firmware", "channel")},
    "group": F("group__name"),
    "image": F("export__image__name"),
    "boot_once": _or_nothing("boot_plan__boot_once"),
    "kernel_set": F("boot_plan__kernel_set"),
    "model": KeyTextTransform("model", "facts"),
    "last_boot_at": last_boot("started_at"),
    "doing": Case(When(_boots_now(), then=Value(0)), When(_in_use_now(), then=Value(1))),
}


def _in_order(rows: QuerySet[Device], sort: str) -> QuerySet[Device]:
    key = SORTS.get(sort.removeprefix("-"), F("name"))
    first = key.desc(nulls_last=True) if sort.startswith("-") else key.asc(nulls_last=True)
    return rows.order_by(first, "name", "mac")


def holds(text: str) -> Q:
    """Name, serial, group, or the MAC address in any spelling or a part of it."""
    found = Q(name__icontains=text) | Q(serial__icontains=text) | Q(group__name__icontains=text)
    digits = re.sub(r"[:. -]", "", text.lower())
    if not re.fullmatch("[0-9a-f]+", digits):
        return found
    pairs = ":".join(digits[i : i + 2] for i in range(0, len(digits), 2))
    return found | Q(mac__contains=pairs) | Q(mac__contains=text.lower())
