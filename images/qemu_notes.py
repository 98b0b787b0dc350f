"""What is known of a served chain without asking its process: a note beside its socket, and the mounts."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from netboot_site import processes
from netboot_site.processes import Process

_NOTE = "served.json"
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")  # proc(5): space, tab, line break and backslash, in octal


@dataclass(frozen=True, slots=True)
class Note:
    """Who serves what, as it was when the process was last started or told something."""

    pid: int
    started: str
    boot: str  # which start of the machine the two above belong to
    path: str
    top: str
    writable: bool

    def living(self) -> Process | None:
        """Its process, if that very one still lives."""
        found = processes.look(self.pid)
        if found is None or found.started != self.started or self.boot != processes.boot_identity():
            return None
        return found


def read_note(folder: Path) -> Note | None:
    """The note; None if there is none, or half of one."""
    try:
        return Note(**json.loads((folder / _NOTE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_note(folder: Path, note: Note) -> None:
    """Put it there whole. It tells of living processes only, so it need not outlast the machine."""
    half_done = folder / f".{_NOTE}"
    half_done.write_text(json.dumps(asdict(note)))
    half_done.rename(folder / _NOTE)


def remove_note(folder: Path) -> None:
    """From now on the process itself must be asked."""
    (folder / _NOTE).unlink(missing_ok=True)


def mounts_below(folder: Path) -> list[str]:
    """Every mount point below a folder; one that is mounted upon twice is there twice."""
    found = []
    for line in _MOUNTS.read_text().splitlines():
        # proc(5): the mount point is the fifth field
        point = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), line.split(" ", 5)[4])
        if point.startswith(f"{folder}/"):
            found.append(point)
    return found
