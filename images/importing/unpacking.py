"""Unpacks an archive into a part file while it comes in: programs unpack, we carry, count and write."""

from __future__ import annotations

import fcntl
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import suppress
from io import FileIO
from types import TracebackType
from typing import Self

from images.importing.formats import LOOK_BYTES, check_unpacked
from images.importing.limits import Budget
from images.importing.zipped import unzip
from images.sparse import PIECE_BYTES, PartFile
from netboot_site.errors import ValidationError
from netboot_site.system import Process, start_filter

# xz: blocks side by side as far as its own default, a quarter of the memory, allows; never more than 1 GiB.
FILTERS = {
    "xz": ("xz", "-dc", "-T0", "-M1GiB", "--format=xz"),
    "gzip": ("gzip", "-dc"),
    "zstd": ("zstd", "-dcq"),
}
FLUSH_PERIOD_SECONDS = 0.5
# xz writes 8 KiB at a time: to read each of them at once is to change processes 100,000 times a GiB.
_GATHER_SECONDS = {"xz": 0.002}
_DROPS_BYTES = 64 * 1024
_MOST_WORDS = 300


class Unpacker:
    """One archive on its way. Fed piece by piece, or from a file that its program reads by itself.

    The part file is written by a thread; whatever ends it is raised by `feed` or `finish`.
    """

    def __init__(self, archive: str, part: PartFile, budget: Budget, source: int | None = None) -> None:
        self.archive, self._part, self._budget, self._source = archive, part, budget, source
        self._fed, self._looked = 0, False
        self._process: Process | None = None
        self._inlet: FileIO | None = None
        self._outlet = self._connect()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="unpack")
        self._writing: Future[None] = self._thread.submit(self._write)

    @property
    def taken_bytes(self) -> int:
        """How much of the archive was read."""
        return self._fed if self._source is None else os.lseek(self._source, 0, os.SEEK_CUR)

    def feed(self, data: bytes) -> None:
        """The archive's next bytes."""
        self._fed += len(data)
        view = memoryview(data)
        try:
            while self._inlet is not None and view:
                view = view[self._inlet.write(view) :]
        except BrokenPipeError:
            self.finish()
            raise ValidationError(f"There are bytes behind the end of this {self.archive} file.") from None

    def ended(self, timeout_seconds: float) -> bool:
        """Wait so long for the end of the work. A file that is read needs no feeding."""
        return bool(wait_for([self._writing], timeout_seconds).done)

    def close_inlet(self) -> None:
        """All of the archive was fed."""
        if self._inlet is not None:
            with suppress(BrokenPipeError):
                self._inlet.close()

    def finish(self) -> None:
        """All of it is in the part file, or the reason why not is raised."""
        self.close_inlet()
        self._writing.result()
        if self._process is not None and self._process.wait() != 0:
            raise ValidationError(self._why(self._process))

    def _connect(self) -> FileIO:
        """Where the thread reads: the program's output, or the archive itself if it is a zip."""
        if self.archive in FILTERS:
            self._process = start_filter(FILTERS[self.archive], stdin=self._source)
            out = self._process.stdout
            assert out is not None  # noqa: S101  # it was started with a pipe
            outlet = FileIO(os.dup(out.fileno()))
            out.close()
            if self._process.stdin is not None:
                self._inlet = FileIO(os.dup(self._process.stdin.fileno()), "w")
                self._process.stdin.close()
        elif self._source is not None:
            outlet = FileIO(os.dup(self._source))
        else:
            reading, writing = os.pipe()
            outlet, self._inlet = FileIO(reading), FileIO(writing, "w")
        for pipe in (outlet, self._inlet):
            _widen(pipe)
        return outlet

    def _write(self) -> None:
        """The thread. When it ends the pipe breaks, so that nobody waits for it."""
        flushed = time.monotonic()
        with self._outlet as outlet:
            if self.archive == "zip":
                for data in unzip(outlet):
                    flushed = self._take(data, flushed)
            else:
                buffer = bytearray(PIECE_BYTES)
                while count := _fill(outlet, buffer, _GATHER_SECONDS.get(self.archive, 0)):
                    flushed = self._take(buffer if count == PIECE_BYTES else buffer[:count], flushed)

    def _take(self, data: bytes | bytearray, flushed: float) -> float:
        part = self._part
        if not self._looked:
            check_unpacked(bytes(data[:LOOK_BYTES]), self.archive)
            self._looked = True
        part.write(data)
        self._budget.check(part.position, part.stored, self.taken_bytes)
        if time.monotonic() - flushed < FLUSH_PERIOD_SECONDS:
            return flushed
        part.flush_behind()
        return time.monotonic()

    def _why(self, process: Process) -> str:
        """The program's own last words, without its name."""
        words = process.stderr.read(64 * 1024) if process.stderr else b""
        lines = [line.strip() for line in words.decode(errors="replace").splitlines() if line.strip()]
        reason = lines[-1].rpartition(":")[2].strip() if lines else "it cannot be read"
        clean = "".join(sign for sign in reason if sign.isprintable())[:_MOST_WORDS]
        return f"This {self.archive} file is damaged or cut off: {clean}."

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
        self.close_inlet()
        self._thread.shutdown()
        if self._process is not None:
            self._process.wait()
            if self._process.stderr is not None:
                self._process.stderr.close()


def _fill(stream: FileIO, buffer: bytearray, gather_seconds: float) -> int:
    """As many bytes as fit, so that blocks of zeros are seen whole; fewer at the end only.

    A program that writes drops is given so much time to gather more of them.
    """
    view, at = memoryview(buffer), 0
    while at < len(buffer) and (count := stream.readinto(view[at:])):
        at += count
        if gather_seconds and count < _DROPS_BYTES:
            time.sleep(gather_seconds)
    return at


def _widen(pipe: FileIO | None) -> None:
    """Fewer changes between processes; where the system has given out all it gives, it stays as it is."""
    if pipe is not None:
        with suppress(OSError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIECE_BYTES)
