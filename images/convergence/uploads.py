"""Imports that were cut off by the end of the process that did them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.conf import settings

from images.convergence.facts import Desired
from images.models import Image, ImageState, Job, JobKind, Layer
from netboot_site.errors import ConflictError
from netboot_site.locks import advisory_lock

HANDOVER_TIMEOUT_SECONDS = 2.0
_HEAD = re.compile(r"head-(\d{1,10})\.raw")


def upload_lock(image_id: str) -> str:
    """The lock that the one running upload or import of an image holds."""
    return f"images.upload.{image_id}"


@contextmanager
def alone(image_id: str) -> Iterator[None]:
    """Hold that lock. Who comes next may be quicker than our notice that the last one is over.

    Raises ConflictError.
    """
    end = time.monotonic() + HANDOVER_TIMEOUT_SECONDS
    with ExitStack() as stack:
        while not stack.enter_context(advisory_lock(upload_lock(image_id))):
            if time.monotonic() >= end:
                raise ConflictError(f"Another upload to the image {image_id!r} is running.")
            time.sleep(0.1)
        yield


def free_abandoned_uploads(desired: Desired) -> None:
    """An image that says `importing` while nobody works on that has its old content still, and is ready.

    A job that was cut off is picked up again; until it has ended the image is left to it.
    """
    for want in desired.images:
        if want.state == ImageState.IMPORTING and not _unfinished_job(want.image_id):
            with advisory_lock(upload_lock(want.image_id)) as free:
                if free and not _unfinished_job(want.image_id):
                    _free(want.image_id)


def _unfinished_job(image_id: str) -> bool:
    return Job.objects.filter(image_id=image_id, kind=JobKind.IMPORT, finished_at=None).exists()


def _free(image_id: str) -> None:
    """Raw pieces can be gone on with; everything else that was begun is of no use."""
    image = Image.objects.filter(pk=image_id, state=ImageState.IMPORTING).first()
    if image is None:
        return
    job = _ended_job(image)
    remove_leftovers(image_id, upload_too=job is not None)
    received = image.upload_received_bytes
    if received is not None and received == image.upload_total_bytes:
        # All bytes came and did not become the disk: whoever sends the last one again makes them.
        received = None if job else received - 1
    Image.objects.filter(pk=image_id, state=ImageState.IMPORTING).update(
        state=ImageState.READY,
        import_error=job.last_error if job else "",
        upload_received_bytes=received,
        upload_total_bytes=None if received is None else image.upload_total_bytes,
    )


def _ended_job(image: Image) -> Job | None:
    """The job that brought the image here and ended before it began, cancelled or given up."""
    job = Job.objects.filter(image=image, kind=JobKind.IMPORT).order_by("-pk").first()
    if job is None or image.upload_total_bytes is None:
        return job
    complete = image.upload_received_bytes == image.upload_total_bytes
    return job if complete and job.details.get("source") == "upload" else None


def remove_leftovers(image_id: str, *, upload_too: bool) -> None:
    """A disk that was not finished, or was finished and never came to count: no row knows its number.

    The upload's lock is held: nobody else is making one.
    """
    folder = Path(settings.IMAGES_PATH) / image_id
    for name in ("import.part", "upload.part") if upload_too else ("import.part",):
        (folder / name).unlink(missing_ok=True)
    known = set(Layer.objects.filter(image_id=image_id).values_list("number", flat=True))
    for path in folder.glob("head-*.raw"):
        match = _HEAD.fullmatch(path.name)
        if match and int(match[1]) not in known:
            path.unlink()
