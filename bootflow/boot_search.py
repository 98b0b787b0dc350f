"""Boots found: by device, outcome, kind of reason, stage and time, a page at a time.

No total is counted and no row is skipped over: a page begins at a boot, and an index leads there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from bootflow.causes import LABELS
from bootflow.models import Boot, Outcome
from bootflow.overview import first_times, holds, named
from bootflow.timeline import Mark, marks_of
from bootflow.usual import Usual, usual_of_devices
from devices.models import Device

ROWS_PER_PAGE = 50
RUNNING = "running"
SPANS = {
    "hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7),
    "month": timedelta(days=30),
}  # fmt: skip
ENOUGH_BOOTS = 5  # of fewer nobody can say what is slow


@dataclass(frozen=True, slots=True)
class BootFilter:
    """Which boots a list shows; empty: all."""

    text: str = ""  # of the device: name, serial, group, or a part of its MAC address
    mac: str = ""
    outcome: str = ""  # one of Outcome, or RUNNING
    reason: str = ""  # a kind of reason, or words of the sentence
    stage: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after or before this boot in the order of lists, which is newest first."""

    started_at: datetime
    boot_id: int

    def __str__(self) -> str:
        microseconds = (self.started_at - _EPOCH) // timedelta(microseconds=1)
        return f"{microseconds}-{self.boot_id}"


@dataclass(frozen=True, slots=True)
class ListedBoot:
    """A boot with its track of stages, and what its device usually takes."""

    boot: Boot
    marks: list[Mark]
    usual: Usual | None

    @property
    def is_slow(self) -> bool:
        """Whether it took longer than 95 of 100 boots of its device do."""
        took, usual = self.boot.took_seconds, self.usual
        if took is None or usual is None or self.boot.outcome != Outcome.OK:
            return False
        return usual.count >= ENOUGH_BOOTS and took > usual.p95_seconds


@dataclass(frozen=True, slots=True)
class BootPage:
    """Some boots, newest first, and where the pages beside them begin."""

    rows: list[Boot]
    newer: Place | None
    older: Place | None


@dataclass(frozen=True, slots=True)
class CauseCount:
    """How many boots failed for one kind of reason."""

    key: str
    label: str
    count: int
    share: float  # of the most frequent one


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def place_of(text: str) -> Place | None:
    """A place as a page's address names it; None for what is no place."""
    microseconds, _, boot_id = text.partition("-")
    if not (microseconds.isdecimal() and boot_id.isdecimal() and len(text) < 40):
        return None
    if int(microseconds) > 10**17 or int(boot_id) >= 2**63:
        return None
    return Place(_EPOCH + timedelta(microseconds=int(microseconds)), int(boot_id))


def search_boots(wanted: BootFilter) -> QuerySet[Boot]:
    """The boots of a filter, newest first."""
    rows = Boot.objects.all()
    if wanted.outcome == RUNNING:
        rows = rows.filter(finished_at=None, outcome=Outcome.RUNNING)
    elif wanted.outcome:
        rows = rows.filter(outcome=wanted.outcome)
    if wanted.reason:
        rows = rows.filter(_reason(wanted.reason))
    if wanted.stage:
        rows = rows.filter(stage=wanted.stage)
    if wanted.mac:
        rows = rows.filter(mac=wanted.mac)
    if wanted.since:
        rows = rows.filter(started_at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(started_at__lt=wanted.until)
    return rows.filter(_of_device(wanted.text)) if wanted.text else rows


def _reason(text: str) -> Q:
    return Q(cause=text) if text in LABELS else Q(reason__icontains=text) & ~Q(cause="")


def _of_device(text: str) -> Q:
    return Q(mac__in=Device.objects.filter(holds(text)).values("mac")) | Q(mac__contains=text.lower())


def page_of_boots(
    rows: QuerySet[Boot], *, before: Place | None = None, after: Place | None = None
) -> BootPage:
    """The boots that come next before (older than) or after (newer than) a place; else the newest."""
    wanted = rows.order_by("started_at", "id") if after else rows
    if before:
        wanted = wanted.filter(started_at__lte=before.started_at)
        wanted = wanted.exclude(started_at=before.started_at, id__gte=before.boot_id)
    elif after:
        wanted = wanted.filter(started_at__gte=after.started_at)
        wanted = wanted.exclude(started_at=after.started_at, id__lte=after.boot_id)
    found = list(named(wanted)[: ROWS_PER_PAGE + 1])
    more, found = len(found) > ROWS_PER_PAGE, found[:ROWS_PER_PAGE]
    if after:
        found.reverse()
    has_newer, has_older = (more, bool(found)) if after else (bool(before and found), more)
    return BootPage(
        found,
        newer=Place(found[0].started_at, found[0].pk) if found and has_newer else None,
        older=Place(found[-1].started_at, found[-1].pk) if found and has_older else None,
    )


def listed(boots: Iterable[Boot]) -> list[ListedBoot]:
    """Boots with their tracks and what is usual for their devices: two queries."""
    rows = list(boots)
    times = first_times(rows)
    usual = usual_of_devices(boot.mac for boot in rows)
    return [ListedBoot(boot, marks_of(boot, times.get(boot.pk, {})), usual.get(boot.mac)) for boot in rows]


def count_causes(wanted: BootFilter) -> list[CauseCount]:
    """Why boots failed, the most frequent kind of reason first; whatever kind the filter asks for."""
    rows = search_boots(replace(wanted, reason="", outcome=Outcome.FAILED)).order_by()
    counts = rows.exclude(cause="").values_list("cause").annotate(count=Count("pk"))
    found = sorted(counts, key=lambda pair: (-pair[1], pair[0]))
    most = found[0][1] if found else 1
    return [CauseCount(key, LABELS.get(key, key), count, count / most) for key, count in found]


def since(span: str) -> datetime | None:
    """When a span that ends now began."""
    return timezone.now() - SPANS[span] if span in SPANS else None
