"""Boots in progress, each against the time that its device usually takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bootflow.overview import TrackedBoot
from bootflow.usual import Usual, usual_of_devices

_BAR_IN_MEDIANS = 1.5  # the usual time is at two thirds of each bar, so bars can be compared
_LATE_IN_MEDIANS = 1.25  # of few boots, all alike, the 95th percentile says little


@dataclass(frozen=True, slots=True)
class RunningBoot:
    """One boot in progress: its track, how long it has taken, and what is usual."""

    tracked: TrackedBoot
    elapsed_seconds: float
    usual: Usual | None

    @property
    def bar_seconds(self) -> float:
        """What the whole length of its bar stands for."""
        return round(_BAR_IN_MEDIANS * self.usual.median_seconds, 1) if self.usual else 0.0

    @property
    def late_after_seconds(self) -> float | None:
        """From when on it takes longer than it should."""
        if self.usual is None:
            return None
        return max(self.usual.p95_seconds, _LATE_IN_MEDIANS * self.usual.median_seconds)

    @property
    def overdue(self) -> bool:
        """Whether it takes longer than nearly all of its device's boots."""
        late = self.late_after_seconds
        return late is not None and self.elapsed_seconds > late


def against_usual(rows: Iterable[TrackedBoot], now: datetime) -> list[RunningBoot]:
    """Each with its device's usual time, the overdue ones first. One query for all of them."""
    boots = list(rows)
    usual = usual_of_devices(row.boot.mac for row in boots)
    found = [
        RunningBoot(row, max(0.0, (now - row.boot.started_at).total_seconds()), usual.get(row.boot.mac))
        for row in boots
    ]
    return sorted(found, key=lambda running: not running.overdue)
