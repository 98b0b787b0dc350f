"""Long work as the REST calls show it."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema

from images.around import Around
from images.models import Job
from images.waiting import job_waits


class JobBrief(Schema):
    """Work on an image that goes on, or that failed last. `progress` is null where the end is not known."""

    id: int
    kind: str
    state: str
    progress: float | None
    last_error: str


def job_brief(job: Job) -> JobBrief:
    """One job's row in its image."""
    return JobBrief(
        id=job.pk, kind=job.kind, state=job.state, progress=job.progress, last_error=job.last_error
    )


class JobOut(Schema):
    """A piece of long work; `progress` runs from 0 to 1 and is null where the end is not known.

    `waits_for` says why it does not go on, in sentences.
    """

    id: int
    image_id: str
    version: int | None
    kind: str
    state: str
    progress: float | None
    done_bytes: int
    total_bytes: int | None
    cancel_requested: bool
    last_error: str
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    waits_for: list[str]


def job_out(job: Job, around: Around) -> JobOut:
    """A job whose image and version have been fetched."""
    return JobOut(
        id=job.pk,
        image_id=job.image_id,
        version=job.version.number if job.version else None,
        kind=job.kind,
        state=job.state,
        progress=job.progress,
        done_bytes=job.done_bytes,
        total_bytes=job.total_bytes,
        cancel_requested=job.cancel_requested,
        last_error=job.last_error,
        created_by=job.created_by,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        waits_for=job_waits(job, around),
    )
