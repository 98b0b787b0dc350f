"""An import as a job: from what was uploaded, from a URL, or from a file in the import folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from celery.exceptions import SoftTimeLimitExceeded

from images import services
from images.convergence.uploads import upload_lock
from images.importing import arrival
from images.importing.converting import convert
from images.importing.formats import LOOK_BYTES, RAW, is_container, recognise
from images.importing.limits import Budget
from images.importing.reading import copy_raw, open_regular
from images.importing.unpacking import Unpacker
from images.jobs.progress import Cancelled, Progress
from images.models import Image, Job
from images.sparse import PartFile
from netboot_site.errors import ConflictError, OrchestratorError, ValidationError
from netboot_site.locks import advisory_lock

WATCH_PERIOD_SECONDS = 0.5


def run_import(job: Job, progress: Progress) -> None:
    """Do it, from its beginning: whatever an earlier try left is written over.

    The spooled upload and the unfinished disk are removed at the end, whatever the end; a process that is
    killed leaves both to the one that picks the job up.
    """
    image = job.image
    with advisory_lock(upload_lock(image.pk)) as held:
        if not held:
            raise ConflictError(f"Another upload to the image {image.pk!r} is running.")
        try:
            _import(image, job, progress)
        except Cancelled:
            _end(image, job, "")
            raise
        except (OrchestratorError, OSError, SoftTimeLimitExceeded) as error:
            _end(image, job, _told(error))
            raise
        _end(image, job, "")


def _end(image: Image, job: Job, reason: str) -> None:
    arrival.remove_parts(image)
    services.end_import(image=image, reason=reason, job=job)


def _told(error: OrchestratorError | OSError | SoftTimeLimitExceeded) -> str:
    if isinstance(error, OrchestratorError):
        return str(error)
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return "The storage node's disk is full; the old content is untouched."
    return "The storage node could not read or write its files, or it took too long."


def _import(image: Image, job: Job, progress: Progress) -> None:
    source = job.details.get("source")
    if source == "upload":
        import_file(image, arrival.upload_path(image), progress)
    else:
        raise ValidationError("This import was begun by a program that is gone; start it again.")


def import_file(image: Image, path: Path, progress: Progress) -> None:
    """Make the head out of a file that is all there, whatever its format."""
    descriptor = open_regular(path)
    try:
        kind = recognise(os.pread(descriptor, LOOK_BYTES, 0))
        target = arrival.import_path(image)
        size_bytes = None
        if is_container(kind):
            size_bytes = convert(path, kind, target, progress.report)
        with PartFile(target, size_bytes or 0) as part:
            if size_bytes is None:
                _stream(descriptor, kind, part, progress)
            part.flush()
            arrival.make_head(image, part, part.position)
    finally:
        os.close(descriptor)


def _stream(descriptor: int, kind: str, part: PartFile, progress: Progress) -> None:
    total, budget = os.fstat(descriptor).st_size, Budget(part.path.parent)
    if kind == RAW:
        copy_raw(descriptor, part, budget, progress.report)
        return
    with Unpacker(kind, part, budget, source=descriptor) as unpacker:
        while not unpacker.ended(WATCH_PERIOD_SECONDS):
            progress.report(unpacker.taken_bytes, total)
        unpacker.finish()
