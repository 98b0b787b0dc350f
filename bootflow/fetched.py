"""The files that a machine fetched in a boot, one by one, as a person sees them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bootflow.models import Boot, BootEvent, Stage
from bootflow.raspberry_pi.paths import asked_path

STAGES = {Stage.FIRMWARE, Stage.TFTP, Stage.INSTALLER}
FILES_SHOWN = 12  # the others are a click away
CAME, PROBED = "file", "file-probed"
_LEAST_WIDTH = 0.8  # per cent of the drawing: a file of no length is still seen


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file: whether it came, when, and where its bar stands in the drawing (per cent)."""

    file: str
    status: str  # done, failed
    detail: str
    after_seconds: float
    lasted_seconds: float | None  # at most: since the step before, the firmware's own time included
    size_bytes: int | None
    count: int
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Fetches:
    """All of them, and what the firmware looked for that need not be there."""

    folder: str
    files: list[Fetched]
    absent: list[str]
    size_bytes: int
    lasted_seconds: float
    title: str

    @property
    def first(self) -> list[Fetched]:
        """Those that are shown at once."""
        return self.files[:FILES_SHOWN]

    @property
    def rest(self) -> list[Fetched]:
        """Those that are shown when asked for."""
        return self.files[FILES_SHOWN:]


def is_fetch(event: BootEvent) -> bool:
    """Whether an event is a file that a machine asked for, or looked for."""
    return event.stage in STAGES and event.kind.startswith(CAME)


def fetches_of(boot: Boot, events: Iterable[BootEvent]) -> Fetches | None:
    """The files of a Pi's firmware or of an installer; None where a loader alone was fetched."""
    rows = [event for event in events if is_fetch(event)]
    is_pi = any(event.stage == Stage.FIRMWARE for event in rows)
    if not is_pi and sum(event.stage == Stage.INSTALLER for event in rows) < 2:
        return None
    files = [event for event in rows if event.kind != PROBED]
    folder = _folder_of(files)
    begin = min((_after(boot, event) - _lasted(event) for event in files), default=0.0)
    end = max((_after(boot, event) for event in files), default=0.0)
    return Fetches(
        folder=folder,
        files=[_fetched(boot, event, folder, begin, max(end - begin, 0.001)) for event in files],
        absent=sorted({_name(event, folder) for event in rows if event.facts.get("absent")}),
        size_bytes=sum(_bytes(event) or 0 for event in files),
        lasted_seconds=max(0.0, end - begin),
        title="Files over TFTP" if is_pi else "Files",
    )


def _fetched(boot: Boot, event: BootEvent, folder: str, begin: float, span: float) -> Fetched:
    lasted = _lasted(event)
    start = _after(boot, event) - lasted
    left = min(max(0.0, 100 * (start - begin) / span), 100 - _LEAST_WIDTH)
    width = min(max(100 * lasted / span, _LEAST_WIDTH), 100 - left)
    return Fetched(
        file=_name(event, folder), status="done" if event.kind == CAME else "failed", detail=event.detail,
        after_seconds=max(0.0, start), lasted_seconds=lasted if "seconds" in event.facts else None,
        size_bytes=_bytes(event), count=int(event.facts.get("count", 1)),
        left=round(left, 2), width=round(width, 2),
    )  # fmt: skip


def _folder_of(events: Iterable[BootEvent]) -> str:
    """The Pi's own folder, which stands before the names of what came: `9ffefdef/`."""
    prefixes = [prefix for event in events if (prefix := asked_path(_file(event)).prefix)]
    return f"{max(set(prefixes), key=prefixes.count)}/" if prefixes else ""


def _name(event: BootEvent, folder: str) -> str:
    return _file(event).removeprefix(folder) or event.detail


def _file(event: BootEvent) -> str:
    return str(event.facts.get("file") or "")


def _after(boot: Boot, event: BootEvent) -> float:
    """When dnsmasq had sent the file."""
    return (event.at - boot.started_at).total_seconds()


def _lasted(event: BootEvent) -> float:
    seconds = event.facts.get("seconds")
    return float(seconds) if isinstance(seconds, int | float) else 0.0


def _bytes(event: BootEvent) -> int | None:
    count = event.facts.get("bytes")
    return count if isinstance(count, int) else None
