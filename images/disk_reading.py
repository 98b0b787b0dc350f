"""Reads a disk as its machine sees it, whatever layers it is made of; holes are told and not read."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from django.conf import settings

from images.models import Layer, LayerFormat
from images.ports import LayerFile
from images.qemu import local_store
from netboot_site.errors import ConflictError

PIECE_BYTES = 4 * 1024 * 1024
HOLE_BYTES = 64 * 1024 * 1024  # of a hole so much is told at once, so that its reader can tell its progress
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Extent:
    """A stretch of a disk: data, or a hole, which reads as zeros."""

    start: int
    end: int
    is_data: bool

    @property
    def length(self) -> int:
        """Bytes."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Piece:
    """The next bytes of a disk; none: zeros."""

    start: int
    length: int
    data: bytes | None


class OpenDisk:
    """A plain file that shows a disk; what the file lacks at its end is a hole."""

    def __init__(self, descriptor: int, size_bytes: int) -> None:
        self._descriptor, self.size_bytes = descriptor, size_bytes

    def extents(self, start: int = 0, end: int | None = None) -> Iterator[Extent]:
        """The disk from `start` on, holes and data in turn."""
        at, end = start, self.size_bytes if end is None else end
        while at < end:
            data = min(self._seek(at, os.SEEK_DATA), end)
            if data > at:
                yield Extent(at, data, is_data=False)
            at = data
            if at < end:
                hole = min(self._seek(at, os.SEEK_HOLE), end)
                yield Extent(at, hole, is_data=True)
                at = hole

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[Piece]:
        """The same with the bytes."""
        for extent in self.extents(start, end):
            step = PIECE_BYTES if extent.is_data else HOLE_BYTES
            for at in range(extent.start, extent.end, step):
                length = min(step, extent.end - at)
                yield Piece(at, length, self.read(at, length) if extent.is_data else None)

    def read(self, start: int, length: int) -> bytes:
        """So many bytes."""
        parts, at = [], start
        while at < start + length and (part := os.pread(self._descriptor, start + length - at, at)):
            parts.append(part)
            at += len(part)
        missing = start + length - at
        return (parts[0] if len(parts) == 1 else b"".join(parts)) + bytes(missing)

    def _seek(self, at: int, whence: int) -> int:
        """lseek(2); where there is no more of either, the disk ends."""
        try:
            return os.lseek(self._descriptor, at, whence)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return self.size_bytes


@contextmanager
def open_file(path: str | Path, size_bytes: int) -> Iterator[OpenDisk]:
    """A disk that is shown by a plain file. Raises ConflictError if it is not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ConflictError("The disk's file is missing on the storage node.") from error
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        yield OpenDisk(descriptor, size_bytes)
    finally:
        os.close(descriptor)


@contextmanager
def open_layer(layer: Layer, name: str, size_bytes: int | None = None) -> Iterator[OpenDisk]:
    """A layer that nobody writes, with all that it stands on; `name` is whom it is served for meanwhile.

    The disk may be larger than the layer was.
    """
    with shown_as_file(layer, name) as path, open_file(path, size_bytes or layer.size_bytes) as disk:
        yield disk


@contextmanager
def shown_as_file(layer: Layer, name: str, *, shared: bool = False) -> Iterator[str]:
    """The path of a plain file that shows a layer with all that it stands on, while `name` reads it.

    `shared`: somebody may begin to write the layer meanwhile; who reads it finds that out.
    """
    if layer.format == LayerFormat.RAW:
        yield str(layer_path(layer))
        return
    store = local_store()
    try:
        yield store.serve(name, chain_of(layer), writable=False, shared=shared).path
    finally:
        store.stop(name)


def served_path(layer: Layer) -> str:
    """Where a layer is served to the machine that may write it; empty: nowhere, or it is a plain file."""
    if layer.format == LayerFormat.RAW:
        return ""
    top, served = str(layer_path(layer)), local_store().observe().values()
    return next((one.path for one in served if one.alive and one.writable and one.top == top), "")


def chain_of(layer: Layer) -> list[LayerFile]:
    """A layer and all under it, the top one first."""
    chain, current = [], layer
    while True:
        chain.append(LayerFile(str(layer_path(current)), current.format))
        if current.parent is None:
            return chain
        current = current.parent


def layer_path(layer: Layer) -> Path:
    """Its file on this storage node."""
    return Path(settings.IMAGES_PATH) / layer.file_name


def ahead(pieces: Iterator[T]) -> Iterator[T]:
    """The same, each read while its user still works on the one before it."""
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
        upcoming = pool.submit(next, pieces, None)
        while (piece := upcoming.result()) is not None:
            upcoming = pool.submit(next, pieces, None)
            yield piece
