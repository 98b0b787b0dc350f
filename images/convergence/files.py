"""The image files of this storage node: one folder for each image, one file for each of its layers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from django.conf import settings

from images.convergence.facts import LayerSeen, Room

SECTOR_BYTES = 512
_ST_BLOCK_BYTES = 512  # stat(2): st_blocks counts these, whatever the file system's block is
_ANY_WRITE = 0o222
READING_FOLDER = ".boot-files"  # beside the images' own: where disks' boot files are taken apart
# docs/interop/qcow2.txt: a magic number of 4 bytes; the virtual size in 8 bytes, big endian, at byte 24
_QCOW2_MAGIC = b"QFI\xfb"
_QCOW2_SIZE = slice(24, 32)


def folder(image_id: str) -> Path:
    """Where an image's files are."""
    return Path(settings.IMAGES_PATH) / image_id


def look(path: str, *, raw: bool) -> LayerSeen | None:
    """What is there of a layer; None: nothing that could be one."""
    try:
        status = os.stat(path)  # noqa: PTH116  # a thousand of them each second
        size = status.st_size if raw else _virtual_size(path)
    except OSError:
        return None
    sealed = not status.st_mode & _ANY_WRITE
    return LayerSeen(size, status.st_blocks * _ST_BLOCK_BYTES, sealed)


def room() -> Room:
    """Of the disk that holds the images."""
    status = os.statvfs(settings.IMAGES_PATH)
    block = status.f_frsize
    return Room(block * status.f_blocks, block * status.f_bavail, settings.STORAGE_RESERVE_BYTES)


def create_raw(path: str, size_bytes: int) -> None:
    """A hole of that size: made in no time, takes no room. Never touches a file that is there."""
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.truncate(descriptor, size_bytes)
    finally:
        os.close(descriptor)


def grow_raw(path: str, size_bytes: int) -> None:
    """A longer file; it is never made shorter."""
    if Path(path).stat().st_size < size_bytes:
        os.truncate(path, size_bytes)


def remove(path: str) -> None:
    """One layer's file."""
    Path(path).unlink(missing_ok=True)


def remove_folder(image_id: str) -> None:
    """All of an image."""
    if folder(image_id).is_dir():
        shutil.rmtree(folder(image_id))


def _virtual_size(path: str) -> int:
    """0 for what is no qcow2 file."""
    with open(path, "rb") as file:  # noqa: PTH123  # a thousand of them each second
        header = file.read(_QCOW2_SIZE.stop)
    return int.from_bytes(header[_QCOW2_SIZE], "big") if header.startswith(_QCOW2_MAGIC) else 0
