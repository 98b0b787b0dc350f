"""Processes that outlive whoever started them, found and ended without ever trusting a number alone."""

from __future__ import annotations

import functools
import os
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One run of a program: its number may be given again, but not together with its start."""

    pid: int
    started: str
    stopped: bool = False  # by SIGSTOP

    def is_same(self, other: Process | None) -> bool:
        """Whether both are one run."""
        return other is not None and (self.pid, self.started) == (other.pid, other.started)


def look(pid: int) -> Process | None:
    """The process of that number, if one lives."""
    try:
        words = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # proc(5), /proc/PID/stat: the state is field 3, the first after the name; the start is field 22
    return None if words[0] in "ZX" else Process(pid, words[19], words[0] in "Tt")


@functools.cache
def boot_identity() -> str:
    """Which start of this machine it is; clock ticks count from there."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def with_option(option: str, value: str) -> Iterator[Process]:
    """Living processes that were started with this option and a value that begins like this."""
    wanted, beginning = os.fsencode(option), os.fsencode(value)
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        given = words[words.index(wanted) + 1] if wanted in words[:-1] else b""
        found = look(int(entry.name)) if given and given.startswith(beginning) else None
        if found is not None:
            yield found


def send(process: Process, *numbers: signal.Signals) -> bool:
    """Send signals to this very run; False if it is over."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        # Held by the handle, the number cannot be given to another process between this look and the signal.
        if not process.is_same(look(process.pid)):
            return False
        for number in numbers:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def wait_for_end(process: Process, seconds: float) -> bool:
    """Whether this run is over, within that time."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        if not process.is_same(look(process.pid)):
            return True
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(handle)
