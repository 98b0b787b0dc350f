"""The recorder's rounds over what goes on: verdicts, and boot once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from bootflow.models import Boot, BootEvent, BootOnce, BootPlan, Outcome, Stage
from bootflow.recorder.judge import judge
from bootflow.recorder.judge_pi import COMES_BACK, RESTARTED
from bootflow.recorder.ledger import DETAIL_LENGTH, seen_of
from bootflow.recorder.pi_changes import end_bootloader_updates, refresh_overlays
from bootflow.recorder.pis import devices_of, learn, sources_of
from bootflow.recorder.story import Verdict, is_pi
from bootflow.recorder.telling import tell
from bootflow.services import spend_boot_once

_COMES_BACK_WITHIN = timedelta(minutes=5)
_REACHED = (Stage.INSTALLER, Stage.ISCSI, Stage.OS)
_SETTLED = timedelta(
    seconds=10
)  # a menu or a local boot that was told is taken, unless the machine asks again


def judge_open_boots() -> None:
    """Judge every boot that goes on, write what has changed, and what Raspberry Pis told of themselves."""
    boots = list(Boot.objects.filter(finished_at=None))
    events: dict[int, list[BootEvent]] = defaultdict(list)
    for event in BootEvent.objects.filter(boot__in=boots).order_by("at", "id"):
        events[event.boot_id].append(event)
    pis = [(boot, events[boot.pk]) for boot in boots if is_pi(seen_of(events[boot.pk]))]
    devices = devices_of(pis)
    sources = sources_of(devices) if devices else {}
    for boot in boots:
        if events[boot.pk]:
            _judge_one(boot, events[boot.pk], timezone.now(), sources.get(boot.mac, ""))
    learn(pis, devices)
    refresh_overlays(pis, devices)
    end_bootloader_updates(pis)


def _judge_one(boot: Boot, events: list[BootEvent], now: datetime, source: str) -> None:
    verdict = judge(
        seen_of(events),
        now,
        mac=boot.mac,
        http_port=settings.BOOT_HTTP_PORT,
        last_event_at=boot.last_event_at,
        boots=source,
    )
    if verdict.reason == RESTARTED and _came_back(boot):
        verdict = replace(verdict, outcome=Outcome.FAILED, reason=COMES_BACK)
    with transaction.atomic():
        _tell(boot, events)
        _apply(boot, verdict)
        if _is_spent(boot, verdict, events, now):
            _spend(boot, verdict, now)


def _came_back(boot: Boot) -> bool:
    """Whether a Pi's boot before this one ended in the same way, moments ago."""
    before = Boot.objects.filter(mac=boot.mac, finished_at__gte=boot.started_at - _COMES_BACK_WITHIN)
    return before.exclude(pk=boot.pk).filter(reason__in=[RESTARTED, COMES_BACK]).exists()


def _tell(boot: Boot, events: list[BootEvent]) -> None:
    """What the boot endpoints record in one statement has no words: they are added here."""
    for event in events:
        if not event.detail:
            event.detail = tell(boot.mac, event.kind, event.facts)[:DETAIL_LENGTH]
            event.save(update_fields=["detail"])


def _apply(boot: Boot, verdict: Verdict) -> None:
    told = (boot.stage, boot.outcome, boot.reason, boot.finished_at)
    if told != (verdict.stage, verdict.outcome, verdict.reason, verdict.finished_at):
        # Only while nothing has come since we looked: a script request moves the boot on by itself.
        Boot.objects.filter(pk=boot.pk, finished_at=None, last_event_at=boot.last_event_at).update(
            stage=verdict.stage,
            outcome=verdict.outcome,
            reason=verdict.reason,
            finished_at=verdict.finished_at,
        )


def _is_spent(boot: Boot, verdict: Verdict, events: list[BootEvent], now: datetime) -> bool:
    """Whether this boot did what boot once asked for: reached disk or installer, took menu or local disk."""
    asked = [e for e in events if e.kind == "script" and e.facts.get("plan", {}).get("boot_once")]
    if not asked or any(e.kind == "boot-once-spent" for e in events):
        return False
    # A machine that has said where it goes on is gone: it may ask again for its next boot at once.
    still = verdict.finished_at is not None or now - boot.last_event_at > _SETTLED
    settled = verdict.outcome in (Outcome.LOCAL, Outcome.MENU) and still
    return verdict.stage in _REACHED or settled


def _spend(boot: Boot, verdict: Verdict, now: datetime) -> None:
    if BootPlan.objects.filter(device__mac=boot.mac).exclude(boot_once=BootOnce.NONE).exists():
        spend_boot_once(mac=boot.mac)
    BootEvent.objects.create(
        boot=boot, at=now, stage=verdict.stage, kind="boot-once-spent",
        detail="The next boot goes as planned: boot once is spent.",
    )  # fmt: skip
