"""How much an import may take: bytes, bytes for each byte that came in, and the room that is left."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from netboot_site.errors import ConflictError, ValidationError
from netboot_site.formats import GIB

RATIO_FROM_BYTES = 64 * 1024**2  # before that much was written, a ratio says nothing
ROOM_STEP_BYTES = 64 * 1024**2  # the room that is left is asked for once in so many bytes


def free_bytes(folder: Path) -> int:
    """The room that is left there."""
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize


def room_for(folder: Path) -> int:
    """What an import may fill: the rest is the reserve."""
    reserve: int = settings.STORAGE_RESERVE_BYTES
    return max(0, free_bytes(folder) - reserve)


def check_fits(size_bytes: int, folder: Path) -> None:
    """Disks are sparse and may promise more than there is together; a single one may not."""
    room = room_for(folder)
    if size_bytes > room:
        raise ConflictError(
            f"{size_bytes / GIB:.2f} GiB do not fit: the storage node has {room / GIB:.2f} GiB left "
            f"beside its reserve."
        )


@dataclass(slots=True)
class Budget:
    """The limits of one import into a folder."""

    folder: Path
    max_bytes: int = field(default_factory=lambda: settings.IMPORT_MAX_BYTES)
    max_ratio: int = field(default_factory=lambda: settings.IMPORT_MAX_RATIO)
    _asked_at: int = 0
    _room: int = field(init=False)

    def __post_init__(self) -> None:
        self._room = room_for(self.folder)

    def check(self, size_bytes: int, stored_bytes: int, taken_bytes: int) -> None:
        """A disk of that size, of which `stored` bytes take room, came out of `taken` bytes.

        Raises ValidationError for what no storage node would take, ConflictError where this one is full.
        """
        if size_bytes > self.max_bytes:
            raise ValidationError(
                f"The disk is larger than {self.max_bytes / GIB:.2f} GiB, the limit (IMPORT_MAX_BYTES)."
            )
        if stored_bytes > RATIO_FROM_BYTES and stored_bytes > self.max_ratio * max(taken_bytes, 1):
            raise ValidationError(
                f"The archive unpacks to more than {self.max_ratio} times its size (IMPORT_MAX_RATIO), "
                f"as a bomb does."
            )
        if size_bytes > self._room:
            raise ConflictError(
                f"The disk has more than the {self._room / GIB:.2f} GiB that the storage node has left "
                f"beside its reserve."
            )
        if stored_bytes - self._asked_at >= ROOM_STEP_BYTES:
            self._asked_at = stored_bytes
            check_fits(1, self.folder)
