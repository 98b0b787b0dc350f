"""The image files of this storage node: sparse raw heads, one folder for each image."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from django.conf import settings

from images.convergence.facts import FilesSeen

_HEAD = re.compile(r"head-(\d+)\.raw")
SECTOR_BYTES = 512
_ST_BLOCK_BYTES = 512  # stat(2): st_blocks counts these, whatever the file system's block is


def folder(image_id: str) -> Path:
    """Where an image's files are."""
    return Path(settings.IMAGES_PATH) / image_id


def head_name(image_id: str, generation: int) -> str:
    """The writable disk, of a given content: its path as text, as tgtd shows it."""
    return f"{settings.IMAGES_PATH}/{image_id}/head-{generation}.raw"


def head_path(image_id: str, generation: int) -> Path:
    """The writable disk, of a given content."""
    return Path(head_name(image_id, generation))


def look(image_id: str, generation: int, *, thoroughly: bool) -> FilesSeen:
    """What is there. `thoroughly` also lists the folder, for what is left of older contents."""
    try:
        status = head_path(image_id, generation).stat()
    except OSError:
        return FilesSeen(None, 0, _superseded(image_id, generation), folder(image_id).is_dir())
    old = _superseded(image_id, generation) if thoroughly else ()
    return FilesSeen(status.st_size, status.st_blocks * _ST_BLOCK_BYTES, old, anything=True)


def create_head(image_id: str, generation: int, size_bytes: int) -> None:
    """A hole of that size: made in no time, takes no room. Never touches a file that is there."""
    folder(image_id).mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(head_path(image_id, generation), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.truncate(descriptor, size_bytes)
    finally:
        os.close(descriptor)


def grow_head(image_id: str, generation: int, size_bytes: int) -> None:
    """A longer file; it is never made shorter."""
    path = head_path(image_id, generation)
    if path.stat().st_size < size_bytes:
        os.truncate(path, size_bytes)


def remove_head(image_id: str, generation: int) -> None:
    """The file of one content."""
    head_path(image_id, generation).unlink(missing_ok=True)


def remove_files(image_id: str) -> None:
    """All of an image."""
    if folder(image_id).is_dir():
        shutil.rmtree(folder(image_id))


def _superseded(image_id: str, generation: int) -> tuple[int, ...]:
    try:
        names = [entry.name for entry in folder(image_id).iterdir()]
    except OSError:
        return ()
    found = (int(match[1]) for name in names if (match := _HEAD.fullmatch(name)))
    return tuple(sorted(number for number in found if number < generation))
