"""Measure `make up`, seconds and memory at rest: `python -m tests.bench.startup`."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.system.instance import Instance, Wire

REST_SECONDS = 15
HEAD = "| first start (empty DATA_PATH) | second start | memory of all processes (PSS) |\n|---|---|---|"


def members(session_of: int) -> list[int]:
    """The process and everything below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [session_of]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def pss_mib(pids: list[int]) -> float:
    """Proportional set size: memory that several processes share is counted once (proc(5), smaps_rollup)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def main() -> None:
    """Start, rest, stop, start again; print the row."""
    folder = Path(tempfile.mkdtemp(prefix="netboot-bench-"))
    folder.chmod(0o755)
    try:
        with Wire.create() as wire:
            instance = Instance(wire, folder / "data")
            instance.start()
            first = instance.start_seconds
            time.sleep(REST_SECONDS)
            assert instance.process is not None
            memory = pss_mib(members(instance.process.pid))
            instance.stop()
            instance.start()
            second = instance.start_seconds
            instance.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(f"{HEAD}\n| {first:.1f} s | {second:.1f} s | {memory:.0f} MiB |\n")


if __name__ == "__main__":
    main()
