"""One disk on its way out: a job while it lasts, whose end is known whatever ends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Protocol, cast

from django.db import transaction
from django.utils import timezone

from images.disk_reading import OpenDisk
from images.jobs.progress import Progress
from images.jobs.running import ending, job_lock
from images.models import Job, JobKind, JobState
from images.outgoing.qcow2 import Qcow2
from images.outgoing.raw import Chunks, Raw
from images.outgoing.source import Source, opened, refuse_while_written
from images.outgoing.zstd import Zstd
from netboot_site.errors import ConflictError
from netboot_site.locks import advisory_lock

RAW, QCOW2, ZST = "raw", "qcow2", "zst"
SUFFIXES = {RAW: "raw", QCOW2: "qcow2", ZST: "raw.zst"}
GUARD_PERIOD_SECONDS = 1.0


class Format(Protocol):
    """A disk as some kind of file. `done_bytes` of `total_bytes` are on their way."""

    done_bytes: int
    total_bytes: int
    length: int | None  # of the file; None: not known before its end

    def chunks(self) -> Chunks:
        """The file."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asked for. `start` and `end` are of a raw disk."""

    source: Source
    format: str = RAW
    start: int = 0
    end: int | None = None
    author: str = ""

    @property
    def file_name(self) -> str:
        """As it is offered: letters, digits, dashes and dots."""
        return f"{self.source.name}.{SUFFIXES[self.format]}"


@dataclass(frozen=True, slots=True)
class Transfer:
    """A disk that is ready to be sent. Whoever takes it must exhaust or close `chunks`."""

    length: int | None
    chunks: Chunks


def begin(wanted: Wanted) -> Transfer:
    """Open the disk. What is wrong with it is raised now, before the first byte."""
    steps = _run(wanted)
    length = cast("int | None", next(steps))
    return Transfer(length, cast("Chunks", steps))


def _run(wanted: Wanted) -> Iterator[int | bytes | None]:
    """The file's length, then its bytes."""
    with ExitStack() as stack:
        job = _claimed(wanted, stack)
        progress = Progress(job)
        stack.enter_context(ending(job, progress))
        disk = stack.enter_context(opened(wanted.source, f"j{job.pk}"))
        outgoing = _formatted(disk, wanted)
        progress.report(0, outgoing.total_bytes)
        yield outgoing.length
        chunks = stack.enter_context(closing(_guarded(outgoing.chunks(), _guard(wanted.source))))
        for chunk in chunks:
            yield chunk
            progress.report(outgoing.done_bytes)
        progress.done_bytes = outgoing.total_bytes


def _claimed(wanted: Wanted, stack: ExitStack) -> Job:
    """A running job. Nobody sees it before its lock is held, or it would be taken for a dead one."""
    source = wanted.source
    with transaction.atomic():
        job = Job.objects.create(
            image=source.image, version=source.version, kind=JobKind.EXPORT, state=JobState.RUNNING,
            details={"format": wanted.format}, created_by=wanted.author, started_at=timezone.now(),
        )  # fmt: skip
        stack.enter_context(advisory_lock(job_lock(job.pk)))
    return job


def _formatted(disk: OpenDisk, wanted: Wanted) -> Format:
    if wanted.format == QCOW2:
        return Qcow2(disk)
    if wanted.format == ZST:
        return Zstd(disk)
    return Raw(disk, wanted.start, disk.size_bytes if wanted.end is None else wanted.end)


def _guard(source: Source) -> Callable[[], None]:
    """What is looked at again and again: nothing for a version, whoever begins to write for a head."""
    image = source.image

    def refuse_if_written() -> None:
        try:
            refuse_while_written(image)
        except ConflictError as error:
            raise ConflictError("A machine was started from this disk meanwhile; export it again.") from error

    return refuse_if_written if source.version is None else lambda: None


def _guarded(chunks: Chunks, guard: Callable[[], None]) -> Chunks:
    """The last chunk goes out only when it is known that all of them are of one moment."""
    held, looked_at = b"", time.monotonic()
    with closing(chunks):
        for chunk in chunks:
            if held:
                yield held
            held = chunk
            if time.monotonic() - looked_at >= GUARD_PERIOD_SECONDS:
                guard()
                looked_at = time.monotonic()
    guard()
    yield held
