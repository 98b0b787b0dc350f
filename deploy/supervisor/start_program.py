"""Becomes one program of the orchestrator, run by supervisor as: start_program.py NOTE COMMAND...

Before it does, it ends what an earlier run of the same program left behind (a killed nginx or granian
leaves workers that hold its port), and waits a moment if that run lasted less than a second. It costs no
memory: exec(2).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

RESTART_PAUSE_SECONDS = 1.0
ORPHANS_END_WITHIN_SECONDS = 5.0


def members(group: int, session: int) -> list[int]:
    """Living processes of a process group in our session."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # proc(5), /proc/PID/stat: state, ppid, pgrp, session follow the name in parentheses
        if words[0] != "Z" and int(words[2]) == group and int(words[3]) == session:
            found.append(int(entry.name))
    return found


def end_orphans(group: int) -> None:
    """Kill what is left of the group that the earlier run led (its leader is dead).

    Never group 0: in a container, that is how everything started from outside is numbered.
    """
    if group <= 0:
        return
    deadline = time.monotonic() + ORPHANS_END_WITHIN_SECONDS
    while time.monotonic() < deadline:
        orphans = members(group, os.getsid(0))
        if not orphans:
            return
        for pid in orphans:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def remove_stale_socket(argv: list[str]) -> None:
    """granian refuses a socket file that is there already, as a killed one leaves it."""
    if "--uds" in argv:
        Path(argv[argv.index("--uds") + 1]).unlink(missing_ok=True)


def main() -> None:
    """Clean up after the earlier run, then become the program."""
    note, argv = Path(sys.argv[1]), sys.argv[2:]
    if note.exists():
        end_orphans(int(note.read_text() or 0))
        # A program that cannot start is tried once a second for as long as it takes.
        if time.time() - note.stat().st_mtime < RESTART_PAUSE_SECONDS:
            time.sleep(RESTART_PAUSE_SECONDS)
    remove_stale_socket(argv)
    note.write_text(str(os.getpid()))
    os.execvp(argv[0], argv)  # noqa: S606  # an argv list, no shell


if __name__ == "__main__":
    main()
