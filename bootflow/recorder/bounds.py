"""The bounds of history: what the recorder forgets, oldest first and a few rows at a time, for years.

`trim_history` is one small step of everything; it says whether another is to follow at once.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Min
from django.utils import timezone

from bootflow.models import Boot, BootEvent, Stage
from devices.models import Device
from images.models import Session
from netboot_site import trimming

DELETE_STEP = 200  # boots of a step, whose events go with them, or devices
ORPHANS_STEP = 5_000
# Of a boot in progress; whoever asks for ever leaves its beginning, its end, and how many were between.
EVENTS_MAX, FIRST_KEPT, LAST_KEPT = 500, 100, 200
EVENTS_STEP, STEPS_MAX = 10_000, 20
LEFT_OUT = "left-out"
_OVERFULL = """
SELECT id FROM bootflow_boot AS boot
WHERE finished_at IS NULL AND EXISTS (SELECT FROM bootflow_bootevent WHERE boot_id = boot.id OFFSET %s)
"""
_MIDDLE = """
DELETE FROM bootflow_bootevent WHERE id IN (
    SELECT id FROM bootflow_bootevent
    WHERE boot_id = %(boot)s AND kind <> %(kind)s AND (at, id) > (
        SELECT at, id FROM bootflow_bootevent WHERE boot_id = %(boot)s
        ORDER BY at, id OFFSET %(first)s LIMIT 1)
    ORDER BY at DESC, id DESC OFFSET %(last)s LIMIT %(step)s)
"""
_ORPHANS = """
DELETE FROM bootflow_bootevent WHERE id IN (
    SELECT id FROM bootflow_bootevent WHERE boot_id < %s LIMIT %s)
"""


def trim_history() -> bool:
    """Forget some of what is beyond the bounds; whether there is more."""
    days, most = settings.BOOT_HISTORY_DAYS, settings.BOOT_HISTORY_MAX
    ended = Boot.objects.exclude(finished_at=None)
    more = [
        trimming.trim(ended, at="started_at", days=days, most=most, step=DELETE_STEP),
        _trim_devices_boots(),
        _trim_orphans(),
        trimming.trim(
            Session.objects.exclude(ended_at=None), at="started_at", days=days, most=most, order="pk"
        ),
        _forget_devices(),
        trimming.trim_house(),
    ]
    return any(more)


def _trim_devices_boots() -> bool:
    """A machine that starts over and over again takes no other machine's history."""
    most = settings.BOOT_HISTORY_DEVICE_MAX
    if trimming.count_of(Boot, 2 * most) <= most:
        return False
    counts = Boot.objects.order_by().values("mac").annotate(count=Count("*")).filter(count__gt=most)
    found = list(counts.values_list("mac", "count")[:1])
    for mac, count in found:
        ended = Boot.objects.filter(mac=mac).exclude(finished_at=None).order_by("started_at", "id")
        doomed = list(ended.values_list("pk", flat=True)[: min(count - most, DELETE_STEP)])
        Boot.objects.filter(pk__in=doomed).delete()
    return bool(found)


def _trim_orphans() -> bool:
    """A report may have come in the moment in which its boot was forgotten: no constraint holds them."""
    oldest = Boot.objects.aggregate(oldest=Min("pk"))["oldest"]
    if oldest is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_ORPHANS, [oldest, ORPHANS_STEP])
        return bool(cursor.rowcount >= ORPHANS_STEP)


def _forget_devices() -> bool:
    """Machines that nobody approved and that have not asked since; who was told to be ignored stays so."""
    gone = timezone.now() - timedelta(days=settings.DISCOVERED_DAYS)
    forgotten = Device.objects.discovered().filter(last_seen_at__lt=gone).values_list("pk", flat=True)
    doomed = list(forgotten[:DELETE_STEP])
    Device.objects.discovered().filter(pk__in=doomed).delete()
    return len(doomed) >= DELETE_STEP


def trim_events() -> None:
    """Leave of each overfull boot in progress its first and its last events."""
    with connection.cursor() as cursor:
        cursor.execute(_OVERFULL, [EVENTS_MAX])
        overfull = [boot for (boot,) in cursor.fetchall()]
    for boot in overfull:
        _trim_boot(boot)


def _trim_boot(boot_id: int) -> None:
    parameters: dict[str, int | str] = {
        "boot": boot_id, "kind": LEFT_OUT, "first": FIRST_KEPT - 1, "last": LAST_KEPT, "step": EVENTS_STEP,
    }  # fmt: skip
    for _ in range(STEPS_MAX):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(_MIDDLE, parameters)
                count = cursor.rowcount
            _note_left_out(boot_id, count)
        if count < EVENTS_STEP:
            return


def _note_left_out(boot_id: int, count: int) -> None:
    """One event tells how many are missing; its stage is the first, so that it moves no boot on."""
    last = BootEvent.objects.filter(boot=boot_id)[FIRST_KEPT - 1]
    row = BootEvent.objects.filter(boot=boot_id, kind=LEFT_OUT).first()
    row = row or BootEvent(boot_id=boot_id, at=last.at, stage=Stage.DHCP, kind=LEFT_OUT)
    missing = int(row.facts.get("missing", 0)) + count
    row.facts, row.detail = {"missing": missing}, f"{missing:,} events in between were not kept."
    row.save()
