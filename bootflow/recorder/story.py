"""What a judge is given of a boot, and the shapes of its verdicts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bootflow.decision import BootDecision, Situation, decide
from bootflow.models import Outcome, Stage
from bootflow.recorder.place import STAGE_ORDER

_PC_CLIENTS = ("pxe", "http", "ipxe")
# How long nothing may happen before a boot is said to have stopped.
NEXT_STEP = timedelta(seconds=30)
LOGIN_WITHIN = timedelta(seconds=60)
TAKEOVER_WITHIN = timedelta(seconds=180)  # a full Debian under plain emulation needs 60
ASKS_AGAIN_WITHIN = timedelta(seconds=60)  # a waiting machine asks every few seconds
OVER_AFTER = timedelta(minutes=10)  # then nothing more is expected of this power-on
INSTALLER_RUNS_AFTER = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Seen:
    """One event of a boot."""

    at: datetime
    stage: str
    kind: str
    detail: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a boot stands. `finished_at` is set once nothing more is expected."""

    stage: str
    outcome: str = Outcome.RUNNING
    reason: str = ""
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """A boot's events with what a judge asks of them."""

    mac: str
    events: Sequence[Seen]
    quiet: timedelta  # since it last came further; an event that repeats keeps its first time
    silence: timedelta  # since it was last heard of
    now: datetime
    http_port: int
    boots: str = ""  # what a Raspberry Pi's files come from, in words: kernel set default

    def last(self, *kinds: str, stage: str = "") -> Seen | None:
        """The newest event of these kinds."""
        wanted = (e for e in reversed(self.events) if e.kind in kinds and stage in ("", e.stage))
        return next(wanted, None)

    @property
    def stage(self) -> str:
        """The furthest stage that was reached."""
        return max((event.stage for event in self.events), key=lambda stage: STAGE_ORDER[stage])

    def situation(self) -> Situation | None:
        """What decided what the machine was last told."""
        asked = self.last("script", "check-in")
        if asked is None or "plan" not in asked.facts:
            return None
        return Situation.from_facts(self.mac, asked.facts["plan"])

    def decision(self) -> BootDecision | None:
        """What the machine was last told, computed again from what decided it."""
        situation = self.situation()
        return decide(situation) if situation else None


def is_pi(events: Iterable[Seen]) -> bool:
    """Whether a Raspberry Pi's own firmware made these events."""
    return any(event.facts.get("client") == "rpi" or event.stage == Stage.FIRMWARE for event in events)


def boots_as_pi(events: Sequence[Seen]) -> bool:
    """Whether what follows is a Pi's way to boot: one with UEFI firmware in its tree goes on as a PC does."""
    return is_pi(events) and not any(event.facts.get("client") in _PC_CLIENTS for event in events)


def waiting(story: Story, why: str, what: str) -> Verdict:
    """Still asking; or failed, once it has not asked for a while."""
    if story.silence <= ASKS_AGAIN_WITHIN:
        return Verdict(story.stage, Outcome.RUNNING, why)
    return stopped(story, f"it waited {what} and stopped asking: it was switched off, or lost the network")


def after(story: Story, limit: timedelta, reason: str) -> Verdict:
    """Still going on; or failed for this reason, once nothing has happened for that long."""
    return Verdict(story.stage) if story.quiet <= limit else stopped(story, reason)


def stopped(story: Story, reason: str) -> Verdict:
    """Failed where it stands."""
    return Verdict(story.stage, Outcome.FAILED, reason)


def seconds(limit: timedelta) -> str:
    """`30 s`"""
    return f"{limit.total_seconds():g} s"
