"""What the REST calls of boots give."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from ninja import Schema

from bootflow.boot_story import BootStory
from bootflow.models import Boot, BootEvent
from bootflow.recorder.ledger import seen_of
from bootflow.recorder.telling import tell
from bootflow.recorder.timing import own_seconds
from bootflow.steps import Step
from bootflow.usual import Usual


class BootEventOut(Schema):
    """One thing that was seen during a boot; `elapsed_seconds` counts from its power-on."""

    stage: str
    at: datetime
    elapsed_seconds: float
    detail: str
    kind: str
    facts: dict[str, Any]


class BootOut(Schema):
    """One power-on of one machine."""

    id: int
    mac: str
    started_at: datetime
    finished_at: datetime | None
    stage: str
    outcome: str | None
    reason: str
    cause: str  # what kind of reason it is
    own_seconds: float  # how long the machine has waited for us
    events: list[BootEventOut]


class UsualOut(Schema):
    """What a number of boots that ended well took."""

    count: int
    median_seconds: float
    p95_seconds: float


class StepOut(Schema):
    """One stage of a boot beside what is usual for its device and for machines of its model."""

    stage: str
    label: str
    after_seconds: float
    seconds: float
    bytes: int | None
    usual: UsualOut | None
    model_usual: UsualOut | None
    told: str  # the comparison in words


class BootDetailOut(BootOut):
    """One boot with its stages."""

    device_name: str
    model: str
    usual: UsualOut | None
    model_usual: UsualOut | None
    told: str
    stages: list[StepOut]


def boot_out(boot: Boot) -> BootOut:
    """A boot row with its events as the API shows it."""
    return BootOut(**_fields(boot, list(boot.events.all())))


def _fields(boot: Boot, events: list[BootEvent]) -> dict[str, Any]:
    return {
        "id": boot.pk, "mac": boot.mac, "started_at": boot.started_at, "finished_at": boot.finished_at,
        "stage": boot.stage, "outcome": boot.outcome or None, "reason": boot.reason, "cause": boot.cause,
        "own_seconds": own_seconds(seen_of(events), mac=boot.mac),
        "events": [_event_out(boot, event) for event in events],
    }  # fmt: skip


def _event_out(boot: Boot, event: BootEvent) -> BootEventOut:
    return BootEventOut(
        stage=event.stage,
        at=event.at,
        elapsed_seconds=round((event.at - boot.started_at).total_seconds(), 3),
        detail=event.detail or tell(boot.mac, event.kind, event.facts),
        kind=event.kind,
        facts=event.facts,
    )


def boot_detail_out(story: BootStory) -> BootDetailOut:
    """A boot with its stages as the API shows it."""
    whole = story.whole
    return BootDetailOut(
        **_fields(story.boot, story.events),
        device_name=story.device.name if story.device else "",
        model=story.model,
        usual=_usual_out(whole.usual),
        model_usual=_usual_out(whole.model_usual),
        told=whole.words,
        stages=[_step_out(step) for step in story.steps],
    )


def _step_out(step: Step) -> StepOut:
    return StepOut(
        stage=step.stage,
        label=step.label,
        after_seconds=round(step.after_seconds, 3),
        seconds=round(step.lasted_seconds, 3),
        bytes=step.size_bytes,
        usual=_usual_out(step.usual),
        model_usual=_usual_out(step.model_usual),
        told=step.words,
    )


def _usual_out(usual: Usual | None) -> UsualOut | None:
    return UsualOut(**asdict(usual)) if usual else None
