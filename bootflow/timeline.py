"""The stages of a boot as a person sees them: marks on a track, bars on a time line. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bootflow.models import Boot, Outcome, Stage
from bootflow.raspberry_pi.identity import is_pi_mac

ORDER = [Stage.DHCP, Stage.FIRMWARE, Stage.TFTP, Stage.SCRIPT, Stage.INSTALLER, Stage.ISCSI, Stage.OS]
ALWAYS = {Stage.DHCP, Stage.TFTP, Stage.SCRIPT, Stage.ISCSI, Stage.OS}  # the others where they apply
SHORT = {Stage.OS: "OS"}
# Of a Pi the firmware is a stage, the kernel and the initramfs come last, and it has no script.
PI_ALWAYS = ALWAYS | {Stage.FIRMWARE}
PI_LABELS = {**SHORT, Stage.TFTP: "Kernel", Stage.SCRIPT: "Check-in"}
_LEAST_WIDTH = 0.6  # per cent of the drawing: a stage of no length is still seen


@dataclass(frozen=True, slots=True)
class Mark:
    """One stage of a boot: whether it was reached, when, and how it looks."""

    stage: str
    label: str
    status: str  # done, now, failed, skipped, ahead
    after_seconds: float | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A reached stage on the time line, in per cent of its width."""

    stage: str
    label: str
    status: str
    left: float
    width: float
    after_seconds: float
    lasted_seconds: float

    @property
    def label_left(self) -> float:
        """Where its time is written: after the bar, or before it where there is no room."""
        return self.left + self.width if self.left + self.width < 85 else self.left

    @property
    def label_anchor(self) -> str:
        """Which way the text runs from there."""
        return "start" if self.left + self.width < 85 else "end"


def marks_of(boot: Boot, firsts: Mapping[str, datetime]) -> list[Mark]:
    """The track of a boot, from the time of the first event of each stage."""
    is_pi = is_of_pi(boot, firsts)
    always, labels = (PI_ALWAYS, PI_LABELS) if is_pi else (ALWAYS, SHORT)
    stages = [stage for stage in ORDER if stage in always or stage in firsts]
    return [_mark(boot, stage, firsts, labels.get(stage, stage.label)) for stage in stages]


def is_of_pi(boot: Boot, firsts: Mapping[str, datetime]) -> bool:
    """Whether a Raspberry Pi boots: it fetched firmware, or its address is one of theirs."""
    return Stage.FIRMWARE in firsts or is_pi_mac(boot.mac)


def _mark(boot: Boot, stage: Stage, firsts: Mapping[str, datetime], label: str) -> Mark:
    at = firsts.get(stage)
    after = None if at is None else max(0.0, (at - boot.started_at).total_seconds())
    return Mark(stage, label, _status(boot, stage, reached=at is not None), after)


def _status(boot: Boot, stage: Stage, *, reached: bool) -> str:
    here = ORDER.index(Stage(boot.stage))
    if ORDER.index(stage) < here:
        return "done" if reached else "skipped"
    if ORDER.index(stage) > here:
        return "ahead" if boot.finished_at is None else "skipped"
    if boot.outcome == Outcome.FAILED:
        return "failed"
    return "now" if boot.finished_at is None and stage != Stage.OS else "done"


def bars_of(boot: Boot, marks: list[Mark], until: datetime) -> list[Bar]:
    """The reached stages, each from its first event to the next stage's."""
    reached = [(mark, mark.after_seconds) for mark in marks if mark.after_seconds is not None]
    reached.sort(key=lambda pair: pair[1])
    total = max((until - boot.started_at).total_seconds(), 0.001)
    ends = [after for _, after in reached[1:]] + [total]
    return [_bar(mark, start, end, total) for (mark, start), end in zip(reached, ends, strict=True)]


def _bar(mark: Mark, start: float, end: float, total: float) -> Bar:
    lasted = max(0.0, end - start)
    left = min(100 * start / total, 100 - _LEAST_WIDTH)
    width = min(max(100 * lasted / total, _LEAST_WIDTH), 100 - left)
    return Bar(mark.stage, mark.label, mark.status, round(left, 2), round(width, 2), start, lasted)


def ticks_of(total_seconds: float) -> list[tuple[float, float]]:
    """Where the time line's scale is marked: (per cent, seconds), four to eight round steps."""
    step = next(
        (s for s in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600) if total_seconds / s <= 8), 86400
    )
    count = int(total_seconds // step)
    return [(round(100 * step * n / total_seconds, 2), step * n) for n in range(count + 1)]
