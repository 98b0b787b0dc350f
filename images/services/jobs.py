"""Changes of jobs: who asks for long work, or wants it no more."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from images.models import Job, JobState
from netboot_site import journal
from netboot_site.errors import ConflictError, NotFoundError

_LARGEST_ID = 2**63 - 1


def get_job(*, job_id: int) -> Job:
    """The job of that number. Raises NotFoundError."""
    known = 0 < job_id <= _LARGEST_ID
    job = Job.objects.select_related("image", "version").filter(pk=job_id).first() if known else None
    if job is None:
        raise NotFoundError(f"There is no job {job_id}; jobs that ended long ago are forgotten.")
    return job


@transaction.atomic
def cancel_job(*, job: Job) -> Job:
    """Want it no more: what waits is over at once, what runs within moments. Raises ConflictError."""
    row = Job.objects.select_for_update().filter(pk=job.pk).first()
    if row is None or row.finished_at is not None:
        raise ConflictError(f"Job {job.pk} has ended already; there is nothing to cancel.")
    row.cancel_requested = True
    if row.state == JobState.WAITING:
        row.state, row.finished_at = JobState.CANCELLED, timezone.now()
    row.save(update_fields=["cancel_requested", "state", "finished_at"])
    journal.record("image", row.image_id, f"{row.get_kind_display()} cancelled (job {row.pk})")
    return row


def end_job(*, job: Job, state: JobState, reason: str = "") -> None:
    """It has ended so, in the transaction that changes what it worked on."""
    job.refresh_from_db(fields=["done_bytes", "total_bytes"])
    total = job.total_bytes if job.total_bytes is not None else job.done_bytes
    done = total if state == JobState.DONE else job.done_bytes
    Job.objects.filter(pk=job.pk, finished_at=None).update(
        state=state, last_error=reason, finished_at=timezone.now(), done_bytes=done, total_bytes=total
    )
