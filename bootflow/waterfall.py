"""A boot's stages as bars under a common scale: where each thing stands in the drawing. Pure.

Across, everything is in percent, so that one drawing fits a desk and a phone; down, in pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bootflow.steps import Step
from bootflow.usual import Usual

_LABEL, _BAR, _WORDS, _GAP = 20, 12, 18, 12  # heights of a row's parts
_SCALE = 22
_LEAST_WIDTH = 0.6  # per cent: a stage of no length is still seen
_MOMENTS_SHOWN = 40  # in a row
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400)


@dataclass(frozen=True, slots=True)
class Row:
    """One bar with what is usual beside it; places in percent of the width."""

    step: Step
    top: int
    height: int
    left: float
    width: float
    usual_left: float | None  # the device's median, and how far its 95th percentile is from there
    usual_width: float
    model_left: float | None  # the same of its model
    model_width: float
    moments: list[float]


@dataclass(frozen=True, slots=True)
class Drawing:
    """The whole picture."""

    rows: list[Row]
    ticks: list[tuple[float, str]]
    height: int
    grid_height: int
    has_usual: bool
    has_model: bool


def draw(whole: Step, steps: Sequence[Step]) -> Drawing:
    """The whole boot above, its stages below."""
    total = _total([whole, *steps])
    rows, top = [], 4
    for step in (whole, *steps):
        rows.append(_row(step, top, total))
        top += rows[-1].height
    shown = [whole, *steps]
    return Drawing(
        rows, ticks_of(total), top + _SCALE, top,
        any(step.usual for step in shown), any(step.model_usual for step in shown),
    )  # fmt: skip


def ticks_of(total_seconds: float) -> list[tuple[float, str]]:
    """Where the scale is marked, in percent, and with what: a few round steps."""
    step = next((step for step in _STEPS if total_seconds / step <= 6), 7 * 86400)
    count = min(int(total_seconds / step), 60)
    return [(round(100 * step * n / total_seconds, 2), _clock(step * n)) for n in range(count + 1)]


def _clock(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min" if seconds < 7200 else f"{seconds / 3600:g} h"


def _total(steps: Iterable[Step]) -> float:
    """As long as the boot, and as what is usual where that is longer."""
    ends = [step.after_seconds + step.lasted_seconds for step in steps]
    usual = [step.after_seconds + one.median_seconds for step in steps for one in _usuals(step)]
    return max([0.001, *ends, *usual]) * 1.02


def _usuals(step: Step) -> list[Usual]:
    return [one for one in (step.usual, step.model_usual) if one is not None]


def _row(step: Step, top: int, total: float) -> Row:
    def place(seconds: float) -> float:
        return round(min(100.0, max(0.0, 100 * seconds / total)), 2)

    def span(usual: Usual | None) -> tuple[float | None, float]:
        if usual is None:
            return None, 0.0
        start = place(step.after_seconds + usual.median_seconds)
        return start, round(max(0.0, place(step.after_seconds + usual.p95_seconds) - start), 2)

    left = min(place(step.after_seconds), 100 - _LEAST_WIDTH)
    width = min(max(100 * step.lasted_seconds / total, _LEAST_WIDTH), 100 - left)
    usual_left, usual_width = span(step.usual)
    model_left, model_width = span(step.model_usual)
    return Row(
        step=step, top=top, height=_LABEL + _BAR + (_WORDS if step.words else 0) + _GAP,
        left=left, width=round(width, 2), usual_left=usual_left, usual_width=usual_width,
        model_left=model_left, model_width=model_width,
        moments=[place(at) for at in step.moments[:_MOMENTS_SHOWN]],
    )  # fmt: skip
