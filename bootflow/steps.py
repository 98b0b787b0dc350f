"""How long each stage of a boot lasted, what it carried, and how that compares with what is usual. Pure.

The same rules as in the statement of bootflow/usual.py, which a test holds equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bootflow.models import Boot, BootEvent, Outcome, Stage
from bootflow.timeline import Mark
from bootflow.usual import Usual
from netboot_site.templatetags.ui import brief, size

ENOUGH = 5  # boots, before any is called slow
_NOTICED_SECONDS = 0.5  # nobody notices less, however rare it is


@dataclass(frozen=True, slots=True)
class Step:
    """One stage that was reached, or the whole boot (then its stage is empty)."""

    stage: str
    label: str
    status: str  # done, now, failed
    after_seconds: float
    lasted_seconds: float
    size_bytes: int | None
    moments: tuple[float, ...]  # when its events were, in seconds since power-on
    usual: Usual | None = None
    model_usual: Usual | None = None

    @property
    def is_over(self) -> bool:
        """Whether its length can be compared: it was passed, and did not stop the boot."""
        return self.status == "done"

    @property
    def is_slow(self) -> bool:
        """Whether it took longer than 95 of 100 boots of this device do."""
        return self.is_over and is_slow(self.lasted_seconds, self.usual)

    @property
    def figure(self) -> str:
        """Its length and what it carried; nothing comes after the operating system was seen."""
        if not self.lasted_seconds and self.stage == Stage.OS:
            return "reached"
        stopped = self.status == "failed" and bool(self.stage)
        lasted = "" if stopped and not self.lasted_seconds else brief(self.lasted_seconds)
        carried = size(self.size_bytes) if self.size_bytes else ""
        figures = " · ".join(filter(None, (lasted, carried)))
        return ", ".join(filter(None, (figures, "stopped here" if stopped else "")))

    @property
    def usual_words(self) -> str:
        """What is usual for this device; empty where nothing is known."""
        return f"usually {brief(self.usual.median_seconds)}" if self.usual and self._lasts(self.usual) else ""

    @property
    def usual_within(self) -> str:
        """How long nearly all of its boots take at most."""
        return within(self.usual) if self.usual_words else ""

    @property
    def model_words(self) -> str:
        """What is usual for machines like it."""
        usual = self.model_usual
        if usual is None or not self._lasts(usual):
            return ""
        return f"this model {brief(usual.median_seconds)}{within(usual)}"

    @property
    def slow_words(self) -> str:
        """That it was slower than that, if it was."""
        if self.is_slow:
            return "slower than 95 % of its boots"
        if self.is_over and is_slow(self.lasted_seconds, self.model_usual):
            return "slower than 95 % of its model's boots"
        return ""

    @property
    def words(self) -> str:
        """All of that."""
        told = self.usual_words + self.usual_within, self.model_words, self.slow_words
        return ", ".join(filter(None, told))

    def _lasts(self, usual: Usual) -> bool:
        """A stage that never lasts has no usual length."""
        return bool(usual.median_seconds or self.lasted_seconds)


def within(usual: Usual | None) -> str:
    """The 95th percentile of enough boots."""
    return f" (95 % within {brief(usual.p95_seconds)})" if usual and usual.count >= ENOUGH else ""


def is_slow(lasted_seconds: float, usual: Usual | None) -> bool:
    """Whether a time is beyond the 95th percentile of enough boots, by an amount that is noticed."""
    if usual is None or usual.count < ENOUGH:
        return False
    return lasted_seconds > usual.p95_seconds and lasted_seconds - usual.median_seconds >= _NOTICED_SECONDS


def end_of(boot: Boot, events: Iterable[BootEvent]) -> datetime:
    """Until when a boot is drawn: its end, or that its system said it is up; else its last event."""
    last = _last(boot)
    return max([last, *(event.at for event in events if event.kind == "online" and event.stage == Stage.OS)])


def steps_of(
    boot: Boot, events: Sequence[BootEvent], marks: Iterable[Mark],
    usual: Mapping[str, Usual], model_usual: Mapping[str, Usual],
) -> list[Step]:  # fmt: skip
    """The stages that were reached, in the order in which they began; `events` come oldest first."""
    began = _begins(events)
    order = sorted(began, key=lambda stage: began[stage])
    starts = [began[stage][0] for stage in order]
    ends = [*starts, max(end_of(boot, events), boot.started_at)][1:]
    told = {mark.stage: mark for mark in marks}
    return [
        Step(
            stage=stage, label=told[stage].label, status=_status(told[stage].status),
            after_seconds=_after(boot, start),
            lasted_seconds=max(0.0, (end - start).total_seconds()),
            size_bytes=_bytes(events, stage),
            moments=tuple(_after(boot, event.at) for event in events if event.stage == stage),
            usual=usual.get(stage), model_usual=model_usual.get(stage),
        )
        for stage, start, end in zip(order, starts, ends, strict=True)
    ]  # fmt: skip


def whole_of(boot: Boot, usual: Usual | None, model_usual: Usual | None) -> Step:
    """The boot from power-on to its end; what is usual is the time to the operating system."""
    lasted = max(0.0, (_last(boot) - boot.started_at).total_seconds())
    status = {Outcome.OK: "done", Outcome.FAILED: "failed"}.get(Outcome(boot.outcome), "now")
    return Step("", "Whole boot", status, 0.0, lasted, None, (), usual, model_usual)


def _last(boot: Boot) -> datetime:
    """One that failed was given up long after it was last heard of."""
    heard = max(boot.last_event_at, boot.started_at)
    return heard if boot.outcome == Outcome.FAILED else boot.finished_at or heard


def _begins(events: Iterable[BootEvent]) -> dict[str, tuple[datetime, int]]:
    """When each stage began, and its first event, by which two of one moment are told apart.

    A file's event by TFTP is written when all of it was sent: it began with whatever came before it.
    """
    began: dict[str, tuple[datetime, int]] = {}
    before: datetime | None = None
    for event in events:
        at = event.at
        if (
            before is not None
            and event.stage in (Stage.FIRMWARE, Stage.TFTP)
            and event.kind.startswith("file")
        ):
            at = min(at, before)
        first = began.get(event.stage)
        began[event.stage] = (min(at, first[0]), min(event.pk, first[1])) if first else (at, event.pk)
        last_at = datetime.fromisoformat(event.facts["last_at"]) if "last_at" in event.facts else event.at
        before = max(before or last_at, last_at)
    return began


def _after(boot: Boot, at: datetime) -> float:
    return max(0.0, (at - boot.started_at).total_seconds())


def _status(of_mark: str) -> str:
    return of_mark if of_mark in ("now", "failed") else "done"


def _bytes(events: Iterable[BootEvent], stage: str) -> int | None:
    sizes = [
        event.facts["bytes"] * int(event.facts.get("count", 1))
        for event in events
        if event.stage == stage and event.kind == "file" and isinstance(event.facts.get("bytes"), int)
    ]
    return sum(sizes) if sizes else None
