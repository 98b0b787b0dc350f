"""An import as a job: from what was uploaded, from a URL, or from a file in the import folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from celery.exceptions import SoftTimeLimitExceeded

from images import services
from images.convergence.uploads import alone, remove_leftovers
from images.importing import arrival, folder
from images.importing.converting import convert
from images.importing.download import Download
from images.importing.formats import LOOK_BYTES, RAW, is_container, recognise
from images.importing.limits import Budget, check_fits
from images.importing.reading import FLUSH_STEP_BYTES, Opened, copy_raw, open_regular
from images.importing.unpacking import Unpacker
from images.jobs.progress import Cancelled, Progress
from images.models import Job
from images.sparse import PIECE_BYTES, PartFile
from netboot_site.errors import OrchestratorError, ValidationError

WATCH_PERIOD_SECONDS = 0.5


def run_import(job: Job, progress: Progress, opened: Opened | None = None) -> None:
    """Do it, from its beginning: whatever an earlier try left is written over.

    The spooled upload and the unfinished disk are removed at the end, whatever the end; a process that is
    killed leaves both to the one that picks the job up.
    """
    with alone(job.image_id):
        try:
            _import(job, progress, opened)
        except Cancelled:
            _end(job, "")
            raise
        except (OrchestratorError, OSError, SoftTimeLimitExceeded) as error:
            _end(job, _told(error))
            raise
        remove_leftovers(job.image_id, upload_too=True)


def _end(job: Job, reason: str) -> None:
    remove_leftovers(job.image_id, upload_too=True)
    services.end_import(image=job.image, reason=reason, job=job)


def _told(error: OrchestratorError | OSError | SoftTimeLimitExceeded) -> str:
    if isinstance(error, OrchestratorError):
        return str(error)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return "The storage node's disk is full; the old content is untouched."
    return "The storage node could not read or write its files, or it took too long."


def _import(job: Job, progress: Progress, opened: Opened | None) -> None:
    match job.details:
        case {"source": "upload"}:
            _import_path(job, arrival.upload_path(job.image), progress)
        case {"source": "file", "name": str(name)}:
            _import_path(job, folder.path_of(name), progress)
        case {"source": "terminal"} if opened is not None:
            _import_file(job, opened, progress)
        case {"source": "url", "url": str(url)}:
            with Download(url) as download:
                _import_url(job, download, progress)
        case _:
            raise ValidationError("This import was begun by a program that is gone; start it again.")


def _import_path(job: Job, path: Path, progress: Progress) -> None:
    descriptor = open_regular(path)
    try:
        _import_file(job, Opened(path, descriptor), progress)
    finally:
        os.close(descriptor)


def _import_file(job: Job, file: Opened, progress: Progress) -> None:
    """Make the head out of a file that is all there, whatever its format."""
    kind = recognise(os.pread(file.descriptor, LOOK_BYTES, 0))
    if is_container(kind):
        os.close(open_regular(file.path))  # qemu opens it anew, with the rights that we have now
        _convert(job, file.path, kind, progress)
        return
    with PartFile(arrival.import_path(job.image), 0) as part:
        _stream(file.descriptor, kind, part, progress)
        _arrive(job, part)


def _stream(descriptor: int, kind: str, part: PartFile, progress: Progress) -> None:
    total, budget = os.fstat(descriptor).st_size, Budget(part.path.parent)
    if kind == RAW:
        copy_raw(descriptor, part, budget, progress.report)
        return
    with Unpacker(kind, part, budget, source=descriptor) as unpacker:
        while not unpacker.ended(WATCH_PERIOD_SECONDS):
            progress.report(unpacker.taken_bytes, total)
        unpacker.finish()


def _convert(job: Job, source: Path, kind: str, progress: Progress) -> None:
    target = arrival.import_path(job.image)
    size_bytes = convert(source, kind, target, progress.report)
    with PartFile(target, size_bytes) as part:
        _arrive(job, part)


def _arrive(job: Job, part: PartFile) -> None:
    part.flush()
    arrival.make_head(job.image, part, part.position, job)


def _import_url(job: Job, download: Download, progress: Progress) -> None:
    """A container is fetched whole before it is converted; everything else is written while it comes."""
    first = download.beginning(LOOK_BYTES)
    kind = recognise(first)
    check_fits(download.total or 0, arrival.import_path(job.image).parent)
    if is_container(kind):
        with PartFile(arrival.upload_path(job.image), 0) as part:
            _fetch(download, part, progress)
            part.flush()
        _convert(job, arrival.upload_path(job.image), kind, progress)
        return
    with PartFile(arrival.import_path(job.image), 0) as part:
        if kind == RAW:
            _fetch(download, part, progress)
        else:
            _fetch_archive(download, kind, part, progress)
        _arrive(job, part)


def _fetch(download: Download, part: PartFile, progress: Progress) -> None:
    budget, flushed = Budget(part.path.parent), 0
    while data := download.read(PIECE_BYTES):
        part.write(data)
        budget.check(part.position, part.stored, part.position)
        progress.report(part.position, download.total)
        if part.position - flushed >= FLUSH_STEP_BYTES:
            part.flush_behind()
            flushed = part.position


def _fetch_archive(download: Download, kind: str, part: PartFile, progress: Progress) -> None:
    with Unpacker(kind, part, Budget(part.path.parent)) as unpacker:
        while data := download.read(PIECE_BYTES):
            unpacker.feed(data)
            progress.report(unpacker.taken_bytes, download.total)
        unpacker.close_inlet()
        while not unpacker.ended(WATCH_PERIOD_SECONDS):
            progress.report(unpacker.taken_bytes, download.total)
        unpacker.finish()
