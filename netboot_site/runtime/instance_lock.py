"""One running instance per DATA_PATH: a lock that the kernel frees when its holder dies."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from netboot_site.errors import ConflictError


def _lock_file(data_path: Path) -> Path:
    return data_path / "instance.lock"


def _take(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def held(data_path: Path) -> Iterator[None]:
    """Hold the lock of this DATA_PATH. Raises ConflictError, which names the holder."""
    with _lock_file(data_path).open("a+") as file:
        if not _take(file):
            file.seek(0)
            raise ConflictError(
                f"Another instance runs on {data_path} (process {file.read().strip() or 'unknown'}): "
                "stop it with `make down`, or set another DATA_PATH."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
        file.truncate(0)


def holder(data_path: Path) -> int | None:
    """The launcher that runs on this DATA_PATH, or None."""
    try:
        with _lock_file(data_path).open("r") as file:
            if _take(file):
                return None
            return int(file.read() or 0) or None
    except FileNotFoundError:
        return None


def stop_holder(data_path: Path, seconds: float) -> bool:
    """Ask the running instance to stop and wait; returns whether there was one. Raises ConflictError."""
    pid = holder(data_path)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holder(data_path) is None:
            return True
        time.sleep(0.1)
    raise ConflictError(f"Process {pid} has not stopped within {seconds:g} s.")
