"""One boot with all that its page, the API and a bundle tell of it; a fixed number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max

from bootflow.fetched import Fetches, fetches_of
from bootflow.models import Boot, BootEvent
from bootflow.recorder.ledger import seen_of
from bootflow.recorder.telling import tell
from bootflow.recorder.timing import own_seconds
from bootflow.steps import Step, steps_of, whole_of
from bootflow.timeline import Mark, marks_of
from bootflow.usual import (
    MODEL_BOOTS,
    Usual,
    macs_of_model,
    model_of,
    stage_usuals,
    usual_of_devices,
    usual_of_model,
)
from devices.models import Device

EVENTS_SHOWN = 1000  # the recorder keeps fewer (bootflow/recorder/bounds.py)


@dataclass(frozen=True, slots=True)
class BootStory:
    """A boot, its events, its stages beside what is usual, and its files."""

    boot: Boot
    device: Device | None
    events: list[BootEvent]
    marks: list[Mark]
    whole: Step
    steps: list[Step]
    model: str  # in words; empty where there is no other machine like this one
    fetches: Fetches | None
    own_seconds: float

    @property
    def stage(self) -> str:
        """Where it stands, as this kind of machine calls it."""
        labels = {mark.stage: mark.label for mark in self.marks}
        return labels.get(self.boot.stage, self.boot.get_stage_display())


def story_of(boot: Boot) -> BootStory:
    """A boot and what it is compared with."""
    events = list(boot.events.all()[:EVENTS_SHOWN])
    device = Device.objects.filter(mac=boot.mac).first()
    marks = marks_of(boot, _firsts(events))
    model_usual, model_stages = _of_model(device, boot)
    return BootStory(
        boot=boot,
        device=device,
        events=[_told(boot, event) for event in events],
        marks=marks,
        whole=whole_of(boot, usual_of_devices([boot.mac], but=boot.pk).get(boot.mac), model_usual),
        steps=steps_of(boot, events, marks, stage_usuals([boot.mac], but=boot.pk), model_stages),
        model=model_of(device) if device and model_usual else "",
        fetches=fetches_of(boot, events),
        own_seconds=own_seconds(seen_of(events), mac=boot.mac),
    )


def version_of(boot: Boot) -> str:
    """Changes with all that the recorder writes of a boot: whoever has this one need ask no more."""
    newest = boot.events.aggregate(newest=Max("pk"))["newest"] or 0
    ended = boot.finished_at.timestamp() if boot.finished_at else 0
    return (
        f"{newest}-{boot.last_event_at.timestamp():.6f}-{ended:.6f}-{boot.stage}-{boot.outcome}-{boot.cause}"
    )


def _of_model(device: Device | None, boot: Boot) -> tuple[Usual | None, dict[str, Usual]]:
    """What is usual for other machines of this one's model."""
    others = macs_of_model(device) if device else []
    if device is None or others in ([], [device.mac]):
        return None, {}
    return usual_of_model(device, but=boot.pk), stage_usuals(others, each=MODEL_BOOTS, but=boot.pk)


def _firsts(events: list[BootEvent]) -> dict[str, datetime]:
    firsts: dict[str, datetime] = {}
    for event in events:
        firsts.setdefault(event.stage, event.at)
    return firsts


def _told(boot: Boot, event: BootEvent) -> BootEvent:
    """The boot endpoints record without words; the recorder adds them within a second or so."""
    event.detail = event.detail or tell(boot.mac, event.kind, event.facts)
    return event
