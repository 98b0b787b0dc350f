"""A disk's own bytes, or a stretch of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from images.disk_reading import OpenDisk, ahead

Chunks = Generator[bytes, None, None]  # it is closed where not all of it is wanted
_ZEROS = bytes(1024 * 1024)


class Raw:
    """The disk from one byte to another."""

    def __init__(self, disk: OpenDisk, start: int, end: int) -> None:
        self._disk, self._start, self._end = disk, start, end
        self.length: int | None = end - start
        self.total_bytes, self.done_bytes = end - start, 0

    def chunks(self) -> Chunks:
        """Its bytes."""
        for piece in ahead(self._disk.pieces(self._start, self._end)):
            for data in [piece.data] if piece.data is not None else zeros(piece.length):
                yield data
                self.done_bytes += len(data)


def zeros(length: int) -> Iterator[bytes]:
    """So many zeros."""
    for _ in range(length // len(_ZEROS)):
        yield _ZEROS
    if rest := length % len(_ZEROS):
        yield _ZEROS[:rest]
