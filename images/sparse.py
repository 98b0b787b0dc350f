"""Writes a disk's bytes into a file that holds no zeros: blocks of them stay holes."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

BLOCK_BYTES = 64 * 1024
PIECE_BYTES = 1024 * 1024
PIECES_BEHIND = 4  # so many wait to be written, at most
_ZEROS = bytes(BLOCK_BYTES)


def data_runs(data: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """The stretches `[start, end)` of whole blocks that are not all zeros."""
    start = None
    for at in range(0, len(data), BLOCK_BYTES):
        # startswith compares in place, in C; a slice would copy each block first
        if data.startswith(_ZEROS[: len(data) - at], at):
            if start is not None:
                yield start, at
            start = None
        elif start is None:
            start = at
    if start is not None:
        yield start, len(data)


class PartFile:
    """A file that grows piece by piece. `durable` bytes of it outlive a loss of power."""

    def __init__(self, path: Path, position: int) -> None:
        """Go on at `position`; what an earlier try left after it is cut off, or it would fill holes."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path, self.position, self.durable = path, position, position
        self.stored = 0  # bytes that took room; holes are free
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._descriptor, position)
        self._flusher = ThreadPoolExecutor(1, thread_name_prefix="flush")
        self._flushing: Future[int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flusher.shutdown()
        os.close(self._descriptor)

    def write(self, data: bytes | bytearray) -> None:
        """Append."""
        view = memoryview(data)
        for start, end in data_runs(data):
            self.stored += end - start
            at = start
            while at < end:
                at += os.pwrite(self._descriptor, view[at:end], self.position + at)
        self.position += len(data)

    def skip(self, size_bytes: int) -> None:
        """Append zeros, which stay a hole."""
        self.position += size_bytes

    def flush_behind(self) -> None:
        """Bring to the disk what is written so far, while more is being written."""
        if self._flushing is not None:
            if not self._flushing.done():
                return
            self.durable = self._flushing.result()
        self._flushing = self._flusher.submit(self._flush, self.position)

    def flush(self) -> None:
        """Bring all of it to the disk."""
        os.ftruncate(self._descriptor, self.position)
        if self._flushing is not None:
            self._flushing.result()
        self.durable = self._flush(self.position)

    def extend(self, size_bytes: int) -> None:
        """Its final size; the rest is a hole."""
        os.ftruncate(self._descriptor, size_bytes)
        os.fsync(self._descriptor)

    def first(self, size_bytes: int) -> bytes:
        """Its beginning, read back."""
        return os.pread(self._descriptor, size_bytes, 0)

    def sha256(self, size_bytes: int) -> str:
        """Of its first bytes, read back."""
        digest = hashlib.sha256()
        for at in range(0, size_bytes, PIECE_BYTES):
            digest.update(os.pread(self._descriptor, min(PIECE_BYTES, size_bytes - at), at))
        return digest.hexdigest()

    def discard(self) -> None:
        """Remove it, as far as it was made."""
        self.path.unlink(missing_ok=True)
        self.durable = 0

    def _flush(self, position: int) -> int:
        os.fdatasync(self._descriptor)
        return position


class WriteBehind:
    """Appends to a part file in a thread of its own, while the next piece is on its way.

    All is written at its end. What the file raises is raised there or by a later `write`; nothing is appended
    after a piece that failed.
    """

    def __init__(self, part: PartFile) -> None:
        self._part, self._failed = part, False
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.shutdown()
        for written in self._waiting if error is None else ():
            written.result()

    def write(self, data: bytes) -> None:
        """Append, soon."""
        if len(self._waiting) == PIECES_BEHIND:
            self._waiting.popleft().result()
        self._waiting.append(self._writer.submit(self._append, data))

    def _append(self, data: bytes) -> None:
        if self._failed:
            return
        self._failed = True
        self._part.write(data)
        self._failed = False
