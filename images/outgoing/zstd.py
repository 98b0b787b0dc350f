"""A disk through zstd(1). Large holes are not compressed again and again: their frame is known."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from images.disk_reading import Extent, OpenDisk, Piece
from images.outgoing.raw import Chunks, zeros
from netboot_site.errors import UnavailableError
from netboot_site.system import Process, start_filter

ARGV = ("zstd", "-cq", "-T0", "-3")
FRAME_BYTES = 64 * 1024 * 1024  # of zeros; a file of zstd may be many frames, one after another (RFC 8878, 3)
_READ_BYTES = 1024 * 1024


def parts(extents: Iterable[Extent]) -> Iterator[Extent]:
    """What goes through the program, and between that the whole frames of zeros."""
    start = end = 0
    for extent in extents:
        end = extent.end
        whole = 0 if extent.is_data else extent.length // FRAME_BYTES * FRAME_BYTES
        if whole:
            if extent.start > start:
                yield Extent(start, extent.start, is_data=True)
            start = extent.start + whole
            yield Extent(extent.start, start, is_data=False)
    if end > start:
        yield Extent(start, end, is_data=True)


class Zstd:
    """A disk as `.zst`."""

    def __init__(self, disk: OpenDisk) -> None:
        self._disk = disk
        self.length: int | None = None  # how long that gets is known at its end only
        self.total_bytes, self.done_bytes = disk.size_bytes, 0

    def chunks(self) -> Chunks:
        """The file."""
        for part in parts(self._disk.extents()):
            if part.is_data:
                yield from self._compressed(self._disk.pieces(part.start, part.end))
            else:
                for _ in range(part.length // FRAME_BYTES):
                    yield _frame_of_zeros()
                    self.done_bytes += FRAME_BYTES

    def _compressed(self, pieces: Iterator[Piece]) -> Iterator[bytes]:
        process = start_filter(ARGV)
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="zstd") as pool:
                feeding = pool.submit(self._feed, process, pieces)
                try:
                    yield from _output(process)
                finally:
                    process.kill()  # nothing if it has ended; else whoever feeds it must not wait
                feeding.result()
        finally:
            _close(process)
        if process.returncode != 0:
            raise UnavailableError("The program zstd failed on the storage node.")

    def _feed(self, process: Process, pieces: Iterator[Piece]) -> None:
        assert process.stdin is not None  # noqa: S101  # it was started with a pipe
        with suppress(BrokenPipeError), process.stdin as inlet:
            for piece in pieces:
                for data in [piece.data] if piece.data is not None else zeros(piece.length):
                    inlet.write(data)
                self.done_bytes += piece.length


def _output(process: Process) -> Iterator[bytes]:
    assert process.stdout is not None  # noqa: S101  # it was started with a pipe
    while data := os.read(process.stdout.fileno(), _READ_BYTES):
        yield data
    process.wait()


def _close(process: Process) -> None:
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    process.wait()


@functools.cache
def _frame_of_zeros() -> bytes:
    compressed, _ = start_filter(ARGV).communicate(bytes(FRAME_BYTES))
    return compressed
