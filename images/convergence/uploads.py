"""Imports that were cut off by the end of the process that did them."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings
from django.db.models import F

from images.convergence.facts import Desired
from images.models import Image, ImageState, Job, JobKind, Layer
from netboot_site.locks import advisory_lock

_HEAD = re.compile(r"head-(\d{1,10})\.raw")


def upload_lock(image_id: str) -> str:
    """The lock that the one running upload or import of an image holds."""
    return f"images.upload.{image_id}"


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
    importing = Image.objects.filter(pk=image_id, state=ImageState.IMPORTING)
    if importing.exists():
        _remove_leftovers(image_id)
        # All bytes came and did not become the disk: whoever sends the last one again makes them.
        importing.filter(upload_received_bytes__gte=F("upload_total_bytes")).update(
            upload_received_bytes=F("upload_total_bytes") - 1
        )
        importing.update(state=ImageState.READY, import_error=_last_reason(image_id))


def _last_reason(image_id: str) -> str:
    """Why the last job failed, if it was a job that brought the image here."""
    job = Job.objects.filter(image_id=image_id, kind=JobKind.IMPORT).order_by("-pk").first()
    image = Image.objects.get(pk=image_id)
    by_job = job is not None and job.finished_at is not None and job.finished_at >= image.updated_at
    return job.last_error if job is not None and by_job else ""


def _remove_leftovers(image_id: str) -> None:
    """A disk that was not finished, or was finished and never came to count: no row knows its number."""
    folder = Path(settings.IMAGES_PATH) / image_id
    (folder / "import.part").unlink(missing_ok=True)
    known = set(Layer.objects.filter(image_id=image_id).values_list("number", flat=True))
    for path in folder.glob("head-*.raw"):
        match = _HEAD.fullmatch(path.name)
        if match and int(match[1]) not in known:
            path.unlink()
