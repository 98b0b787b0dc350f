"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

NETWORK, BOOT_FILES, STORAGE, SERVICES, TIME = "Network", "Boot files", "Storage", "Services", "Time"
GROUPS = (NETWORK, BOOT_FILES, STORAGE, SERVICES, TIME)
AS_ROOT = "sudo .venv/bin/python manage.py doctor"
START = "make up"


class State(StrEnum):
    """How it stands."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; what is not good has a reason to care and a command."""

    key: str
    group: str
    title: str
    state: State
    what: str
    why: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing to look at, and why it matters."""

    key: str
    group: str
    title: str
    why: str

    def good(self, what: str) -> Finding:
        """It is as it should be."""
        return Finding(self.key, self.group, self.title, State.GOOD, what)

    def warning(self, what: str, command: str, why: str = "") -> Finding:
        """Machines boot, but something is or will be amiss."""
        return self._finding(State.WARNING, what, command, why)

    def bad(self, what: str, command: str, why: str = "") -> Finding:
        """Machines do not boot, or data is at risk."""
        return self._finding(State.BAD, what, command, why)

    def unknown(self, what: str, command: str = AS_ROOT) -> Finding:
        """It cannot be seen from here; the command would show it."""
        return self._finding(State.UNKNOWN, what, command, "")

    def _finding(self, state: State, what: str, command: str, why: str) -> Finding:
        return Finding(self.key, self.group, self.title, state, what, why or self.why, command)


def log_of(program: str) -> str:
    """The command that shows why a program of ours does not do its work."""
    return f'tail -n 30 "${{DATA_PATH:-var}}/logs/{program}.log"'
