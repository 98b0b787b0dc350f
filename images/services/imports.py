"""Changes of images while content is brought into them. The old content stays until the new one is whole."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import QuerySet

from images import lineage
from images.models import Image, ImageState, Job, JobKind, JobState, LayerFormat
from images.services.jobs import end_job
from images.services.nodes import check_room, nudge
from images.services.usage import refuse_while_in_use
from netboot_site import journal
from netboot_site.errors import ConflictError
from netboot_site.templatetags.ui import size

_OPEN_TO_IMPORTS = frozenset({ImageState.READY, ImageState.FAILED})


@transaction.atomic
def begin_upload(*, image: Image, received_bytes: int, total_bytes: int) -> Image:
    """The image is `importing` from now on; its upload's lock is held. Raises ConflictError."""
    row = lineage.locked_image(image.pk)
    refuse_while_job_imports(row)
    if row.state not in _OPEN_TO_IMPORTS | {ImageState.IMPORTING}:  # whose process was killed
        raise ConflictError(f"The image {row.id!r} is {row.state}; its content cannot be changed now.")
    if not received_bytes:
        journal.record("image", row.pk, f"Upload of {size(total_bytes)} begun")
    _set_importing(row, received_bytes, total_bytes)
    return row


@transaction.atomic
def end_upload(*, image: Image, kept_bytes: int | None) -> None:
    """It was refused or cut off: the image, as it was before, is so again. Whoever uploaded was told why.

    `kept_bytes` of it are kept, so that it can be gone on with; None: there is nothing to go on with.
    """
    row = lineage.locked_image(image.pk)
    if row.state != ImageState.IMPORTING or _running_jobs(row).exists():
        return
    row.state = ImageState.FAILED if image.state == ImageState.FAILED else ImageState.READY
    row.upload_received_bytes = kept_bytes
    row.upload_total_bytes = None if kept_bytes is None else row.upload_total_bytes
    row.save(update_fields=["state", "upload_received_bytes", "upload_total_bytes"])


@transaction.atomic
def request_import(*, image: Image, details: dict[str, Any], author: str = "") -> Job:
    """Let the image's storage node import a disk: `details` says where from. Raises ConflictError."""
    row = lineage.locked_image(image.pk)
    refuse_while_job_imports(row)
    if row.state not in _OPEN_TO_IMPORTS:
        raise ConflictError(f"The image {row.id!r} is {row.state}; import into it when it is ready.")
    refuse_while_in_use(row)
    check_room(row.node)
    journal.record("image", row.pk, f"Import begun, {_source(details)}")
    _set_importing(row, None, None)
    return _add_job(row, details, author)


@transaction.atomic
def request_conversion(*, image: Image, details: dict[str, Any], author: str = "") -> Job:
    """Let the storage node make a disk out of what was uploaded, all of which is there."""
    row = lineage.locked_image(image.pk)
    refuse_while_job_imports(row)
    _set_importing(row, row.upload_received_bytes, row.upload_total_bytes)
    return _add_job(row, details, author)


@transaction.atomic
def end_import(*, image: Image, job: Job, reason: str = "") -> None:
    """The job has not brought a new disk: the old content counts. `reason` says why, if it was not wished so.

    An image that has nothing in its disk has failed then; convergence holds both to that.
    """
    row = lineage.locked_image(image.pk)
    if row.state != ImageState.IMPORTING or _running_jobs(row).exclude(pk=job.pk).exists():
        return
    head = lineage.head_of(row)
    blank = head.number == 1 and head.format == LayerFormat.RAW and not row.observed_used_bytes
    row.state = ImageState.FAILED if reason and blank else ImageState.READY
    row.import_error = row.last_error = reason
    row.upload_received_bytes = row.upload_total_bytes = None
    row.save()
    if reason:
        journal.record("image", row.pk, f"Import failed: {reason}")
    end_job(job=job, state=JobState.FAILED if reason else JobState.CANCELLED, reason=reason)
    nudge(row.node)


def refuse_while_job_imports(image: Image) -> None:
    """Raises ConflictError, naming the job."""
    job = _running_jobs(image).first()
    if job is not None:
        raise ConflictError(f"An import into {image.id!r} is running (job {job.pk}); cancel it or wait.")


def _source(details: dict[str, Any]) -> str:
    """In words, without what an address may hold of passwords."""
    if "url" not in details:
        return f"of the file {details.get('name', '')}"
    url = urlsplit(details["url"])
    return f"from {url.scheme}://{url.hostname}{url.path}"


def _running_jobs(image: Image) -> QuerySet[Job]:
    return Job.objects.filter(image=image, kind=JobKind.IMPORT, finished_at=None)


def _set_importing(row: Image, received_bytes: int | None, total_bytes: int | None) -> None:
    row.state = ImageState.IMPORTING
    row.upload_received_bytes, row.upload_total_bytes = received_bytes, total_bytes
    row.save(update_fields=["state", "upload_received_bytes", "upload_total_bytes"])


def _add_job(row: Image, details: dict[str, Any], author: str) -> Job:
    return Job.objects.create(image=row, kind=JobKind.IMPORT, details=details, created_by=author)
