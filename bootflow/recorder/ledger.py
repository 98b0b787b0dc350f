"""Writes sightings into boots. Within the transaction that also moves the log's position."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import connection

from bootflow.models import Boot, BootEvent, Outcome, Stage
from bootflow.recorder.judge import judge
from bootflow.recorder.place import STAGE_ORDER, OpenBoot, Place, place
from bootflow.recorder.sighting import Sighting
from bootflow.recorder.story import Seen, Verdict, boots_as_pi
from devices.models import Device

EVENTS_PER_BOOT_MAX = 300  # what a machine that asks for ever can make of one boot
DETAIL_LENGTH = 500
POWERED_ON_AGAIN = "Powered on again before its operating system was seen."
# Whoever sees the first sign makes the boot: a script request may have done so since we looked.
_OPEN = """
INSERT INTO bootflow_boot (mac, started_at, last_event_at, stage, outcome, reason)
VALUES (%s, %s, %s, %s, '', '')
ON CONFLICT (mac) WHERE finished_at IS NULL DO UPDATE SET
    started_at = least(bootflow_boot.started_at, excluded.started_at)
RETURNING id
"""


def write(sightings: Iterable[Sighting]) -> None:
    """Put each sighting, whose MAC is known, where it belongs; of an ignored machine nothing is kept."""
    rows = list(sightings)
    macs = {sighting.mac for sighting in rows}
    ignored = set(Device.objects.ignored().filter(mac__in=macs).values_list("mac", flat=True))
    for sighting in rows:
        if sighting.mac not in ignored:
            write_one(sighting)


def write_one(sighting: Sighting) -> Boot | None:
    """Put a sighting into the open boot, into a new one, or nowhere."""
    boot = Boot.objects.select_for_update().filter(mac=sighting.mac, finished_at=None).first()
    events = list(boot.events.all()) if boot else []
    where = place(_view(boot, events), sighting)
    if where is Place.IGNORE:
        return None
    if where is Place.START or boot is None:
        boot = _start(sighting, boot)
        events = list(boot.events.all())
    add_event(boot, events, sighting)
    return boot


def add_event(boot: Boot, events: list[BootEvent], sighting: Sighting) -> None:
    """Note an event, or count one more of its like among the boot's events, and move the boot on."""
    wanted = _likeness(sighting.kind, sighting.stage, sighting.detail[:DETAIL_LENGTH], sighting.facts)
    alike = [
        event for event in events if _likeness(event.kind, event.stage, event.detail, event.facts) == wanted
    ]
    sighting = _timed(events, sighting)
    if alike:
        _count_again(alike[-1], sighting)
    elif len(events) < EVENTS_PER_BOOT_MAX:
        BootEvent.objects.create(
            boot=boot, at=sighting.at, stage=sighting.stage, kind=sighting.kind,
            detail=sighting.detail[:DETAIL_LENGTH], facts=dict(sighting.facts),
        )  # fmt: skip
    _move_on(boot, sighting.at, sighting.stage)


def _likeness(kind: str, stage: str, detail: str, facts: Mapping[str, Any]) -> tuple[Any, ...]:
    """What two events share that are one and its repetition; each login of a loader is another attempt."""
    told = facts["file"] if "role" in facts and "file" in facts else detail
    who = facts.get("bootloader"), facts.get("serial")  # of a Pi: its ROM and what that loads ask one by one
    return kind, stage, told, facts.get("session") if kind == "login" else who


def _timed(events: list[BootEvent], sighting: Sighting) -> Sighting:
    """A file of a Pi's with the time since the step before: dnsmasq tells only when it had sent it."""
    befores = [at for event in events if (at := _last_at(event)) <= sighting.at]
    if sighting.kind != "file" or "role" not in sighting.facts or not befores:
        return sighting
    seconds = round((sighting.at - max(befores)).total_seconds(), 3)
    size = sighting.facts.get("bytes")
    what = f"{size:,} bytes, " if size is not None else ""
    told = f"{sighting.detail.rstrip('.')} ({what}at most {seconds:g} s: that long after the step before)."
    return replace(sighting, detail=told, facts={**sighting.facts, "seconds": seconds})


def _last_at(event: BootEvent) -> datetime:
    return datetime.fromisoformat(event.facts["last_at"]) if "last_at" in event.facts else event.at


def close(boot: Boot, at: datetime, outcome: str, reason: str) -> None:
    """End a boot."""
    boot.finished_at, boot.outcome, boot.reason = max(at, boot.started_at), outcome, reason
    boot.save(update_fields=["finished_at", "outcome", "reason"])


def _view(boot: Boot | None, events: list[BootEvent]) -> OpenBoot | None:
    if boot is None:
        return None
    scripted = min((event.at for event in events if event.stage == Stage.SCRIPT), default=None)
    return OpenBoot(boot.stage, boot.last_event_at, scripted, boots_as_pi(seen_of(events)))


def seen_of(events: Iterable[BootEvent]) -> list[Seen]:
    """Events as a judge takes them."""
    return [Seen(event.at, event.stage, event.kind, event.detail, event.facts) for event in events]


def _start(sighting: Sighting, old: Boot | None) -> Boot:
    """A new boot; what the open one has seen after its end was the new one's."""
    later: list[BootEvent] = []
    if old is not None:
        later = list(old.events.filter(at__gt=sighting.at))
        verdict = _last_verdict(old, sighting.at)
        close(old, verdict.finished_at or sighting.at, verdict.outcome, verdict.reason)
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [sighting.mac, sighting.at, sighting.at, sighting.stage])
        (found,) = cursor.fetchone()
    boot = Boot.objects.select_for_update().get(pk=found)
    for event in later:
        BootEvent.objects.filter(pk=event.pk).update(boot=boot)
        _move_on(boot, event.at, event.stage)
    return boot


def _last_verdict(boot: Boot, at: datetime) -> Verdict:
    """How a boot has ended, of which nothing more can come: its judge may not have looked since its end."""
    if boot.outcome != Outcome.RUNNING:
        return Verdict(boot.stage, boot.outcome, boot.reason)
    events = seen_of(boot.events.filter(at__lte=at))
    verdict = judge(events, at, mac=boot.mac) if events else None
    if verdict is not None and verdict.finished_at is not None:
        return verdict
    return Verdict(boot.stage, Outcome.FAILED, POWERED_ON_AGAIN)


def _move_on(boot: Boot, at: datetime, stage: str) -> None:
    boot.started_at, boot.last_event_at = min(boot.started_at, at), max(boot.last_event_at, at)
    if STAGE_ORDER[stage] > STAGE_ORDER[boot.stage]:
        boot.stage = stage
    boot.save(update_fields=["started_at", "last_event_at", "stage"])


def _count_again(event: BootEvent, sighting: Sighting) -> None:
    facts: Mapping[str, Any] = {**event.facts, "xid": sighting.facts.get("xid")}
    count = int(event.facts.get("count", 1)) + 1
    event.facts = {**facts, "count": count, "last_at": sighting.at.isoformat()}
    event.save(update_fields=["facts"])
