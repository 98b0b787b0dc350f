"""Clocks: of this host, of the database, and of every storage node."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from netboot_site.doctor.findings import TIME, Finding, Subject
from netboot_site.doctor.place import Node, Rows
from netboot_site.host import is_clock_kept

_BUILT_YEAR = 2026
_LAST_YEAR = 2100
_SMALL_SECONDS, _LARGE_SECONDS = 2.0, 60.0
_KEEP = "sudo timedatectl set-ntp true"
CLOCK = Subject(
    "clock", TIME, "Clock of this host",
    "Boots are timed by it, and sessions expire by it.",
)  # fmt: skip
_DRIFT_WHY = (
    "A service whose clock differs seems dead or alive when it is not, and boots last less than no time."
)


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is here, and whether somebody keeps it so (None: not told)."""

    now: datetime
    is_kept: bool | None


def read_clock() -> Clock:
    """This host's."""
    return Clock(datetime.now(UTC), is_clock_kept())


def judge_clock(seen: Clock) -> list[Finding]:
    """Pure."""
    if not _BUILT_YEAR <= seen.now.year <= _LAST_YEAR:
        return [CLOCK.bad(f"It says {seen.now:%Y-%m-%d %H:%M} UTC, which cannot be.", _KEEP)]
    if seen.is_kept is False:
        return [
            CLOCK.warning(f"It says {seen.now:%Y-%m-%d %H:%M} UTC, and nobody keeps it right (NTP).", _KEEP)
        ]
    if seen.is_kept is None:
        return [CLOCK.unknown("The kernel does not tell whether somebody keeps it right.", "timedatectl")]
    return [CLOCK.good(f"It says {seen.now:%Y-%m-%d %H:%M} UTC, and is kept right (NTP).")]


def judge_drifts(rows: Rows) -> list[Finding]:
    """This host's and each storage node's clock against the database's. Pure."""
    found = [_judge_drift("database", "this host", rows.clock_offset_seconds)]
    return found + [_judge_node(node) for node in rows.nodes if node.facts is not None]


def _judge_node(node: Node) -> Finding:
    facts = node.facts or {}
    return _judge_drift(node.name, f"the storage node {node.name}", float(facts["clock_offset_seconds"]))


def _judge_drift(key: str, whose: str, seconds: float) -> Finding:
    subject = Subject(f"drift-{key}", TIME, f"Clock of {whose} and the database's", _DRIFT_WHY)
    size = abs(seconds)
    if size <= _SMALL_SECONDS:
        return subject.good(f"They agree within {max(size, 0.001):.3f} s.")
    what = f"The clock of {whose} is {size:.0f} s {'ahead of' if seconds > 0 else 'behind'} the database's."
    return subject.bad(what, _KEEP) if size > _LARGE_SECONDS else subject.warning(what, _KEEP)
