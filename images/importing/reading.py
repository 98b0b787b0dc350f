"""Reads files that lie on the storage node: regular ones, holes without reading them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from images.importing.limits import Budget
from images.sparse import PIECE_BYTES, PartFile
from netboot_site.errors import NotFoundError, ValidationError

FLUSH_STEP_BYTES = 128 * 1024**2
Report = Callable[[int, int], None]


def open_regular(path: Path) -> int:
    """A descriptor of a regular file; a link is not followed. Raises NotFoundError, ValidationError."""
    try:
        # A pipe of that name would make us wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValidationError(f"{path.name!r} is a link, which is not followed.") from error
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise ValidationError(f"The storage node may not read the file {path.name!r}.") from error
        raise NotFoundError(f"There is no file {path.name!r}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValidationError(f"{path.name!r} is no regular file.")
    return descriptor


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that a person named at a terminal, opened with that person's rights."""

    path: Path
    descriptor: int


@contextmanager
def opened_by_person(path: Path) -> Iterator[Opened]:
    """A person may name a link; it is what it leads to that is read."""
    real = path.resolve()
    descriptor = open_regular(real)
    try:
        yield Opened(real, descriptor)
    finally:
        os.close(descriptor)


def copy_raw(descriptor: int, part: PartFile, budget: Budget, report: Report) -> None:
    """A raw disk as it is; its holes are passed over."""
    total, flushed = os.fstat(descriptor).st_size, 0
    if total == 0:
        raise ValidationError("The file is empty.")
    budget.check(total, 0, total)
    while part.position < total:
        start, end = _next_data(descriptor, part.position, total)
        part.skip(start - part.position)
        while part.position < end:
            data = os.pread(descriptor, min(PIECE_BYTES, end - part.position), part.position)
            if not data:
                raise ValidationError("The file became shorter while it was read.")
            part.write(data)
            budget.check(part.position, part.stored, part.position)
            report(part.position, total)
            if part.position - flushed >= FLUSH_STEP_BYTES:
                part.flush_behind()
                flushed = part.position
        report(part.position, total)


def _next_data(descriptor: int, position: int, total: int) -> tuple[int, int]:
    """The next stretch that is no hole (lseek(2)); both ends are the file's where there is none."""
    try:
        start = os.lseek(descriptor, position, os.SEEK_DATA)
        return start, min(total, os.lseek(descriptor, start, os.SEEK_HOLE))
    except OSError as error:
        if error.errno == errno.ENXIO:
            return total, total
        raise
