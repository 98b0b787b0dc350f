"""What the host that we run on is like: its file systems and its clock."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from django.db import connection
from django.utils import timezone

_LIBC = ctypes.CDLL(None, use_errno=True)
_PUNCH_HOLE_AND_KEEP_SIZE = 3  # linux/falloc.h: FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
_TEST_BYTES, _WRITTEN_BYTES = 8 * 1024**2, 64 * 1024
_ST_BLOCK_BYTES = 512  # stat(2)
_TIMEX_BYTES = 256  # struct timex is 208 bytes long where long has 64 bits
_TIME_ERROR = 5  # adjtimex(2): nobody disciplines the clock
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class FileSystem:
    """Where a folder lies, and what disks need of it; None: could not be tried."""

    kind: str  # ext4, xfs, overlay, nfs4, ... as mount(8) calls it
    capacity_bytes: int
    free_bytes: int
    free_files: int | None  # None: it does not count them
    keeps_holes: bool | None = None
    punches_holes: bool | None = None


def look_at_folder(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> FileSystem:
    """Raises OSError if the folder is not there."""
    status = os.statvfs(folder)
    keeps, punches = _try_holes(folder)
    return FileSystem(
        kind=kind_of(folder.resolve(), mounts.read_text()),
        capacity_bytes=status.f_frsize * status.f_blocks,
        free_bytes=status.f_frsize * status.f_bavail,
        free_files=status.f_favail if status.f_files else None,
        keeps_holes=keeps,
        punches_holes=punches,
    )


def kind_of(folder: Path, mounts: str) -> str:
    """The file system that the last mount over the folder brought (proc(5), /proc/PID/mountinfo). Pure."""
    kind, depth = "unknown", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        words = before.split()
        point = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), words[4]))
        if (folder == point or point in folder.parents) and len(point.parts) >= depth:
            kind, depth = after.split()[0], len(point.parts)
    return kind


def _try_holes(folder: Path) -> tuple[bool | None, bool | None]:
    """Whether a file may have holes, and get new ones; (None, None) where we may not write."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.truncate(file.fileno(), _TEST_BYTES)
            os.pwrite(file.fileno(), b"\xff" * _WRITTEN_BYTES, _TEST_BYTES // 2)
            keeps = os.fstat(file.fileno()).st_blocks * _ST_BLOCK_BYTES < _TEST_BYTES // 2
            return keeps, _punch(file.fileno())
    except OSError:
        return None, None


def _punch(descriptor: int) -> bool | None:
    done = _LIBC.fallocate(
        descriptor, _PUNCH_HOLE_AND_KEEP_SIZE, ctypes.c_long(_TEST_BYTES // 2), ctypes.c_long(_WRITTEN_BYTES)
    )
    if done == 0:
        return True
    return False if ctypes.get_errno() in (errno.EOPNOTSUPP, errno.ENOSYS) else None


def is_clock_kept() -> bool | None:
    """Whether something like NTP disciplines the clock; None where the kernel does not tell."""
    state = _LIBC.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR


def clock_offset_seconds() -> float:
    """How far this host's clock is ahead of the database's. Raises django.db.Error."""
    before = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (theirs,) = cursor.fetchone()
    after = timezone.now()
    return float(((before - theirs) + (after - theirs)).total_seconds() / 2)
