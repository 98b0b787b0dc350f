"""REST calls of long work on images."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from devices.schemas import Text
from images import services
from images.models import Job, JobState

router = Router(tags=["jobs"])
States = Literal["", "unfinished", "waiting", "running", "done", "failed", "cancelled"]


class JobFilter(Schema):
    """Which jobs a list shows; `unfinished` are those that wait or run."""

    image: Text = ""
    state: States = ""
    limit: Annotated[int, Field(ge=0, le=1000)] = 100


class JobOut(Schema):
    """A piece of long work; `progress` runs from 0 to 1 and is null where the end is not known."""

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


@router.get("/jobs", response=list[JobOut])
def list_jobs(request: HttpRequest, filters: Query[JobFilter]) -> list[JobOut]:
    """Long work, the newest first; of what ended, the last 500."""
    rows = Job.objects.select_related("version")
    if filters.image:
        rows = rows.filter(image_id=filters.image)
    if filters.state == "unfinished":
        rows = rows.filter(finished_at=None)
    elif filters.state:
        rows = rows.filter(state=JobState(filters.state))
    return [job_out(job) for job in rows[: filters.limit]]


@router.get("/jobs/{job_id}", response=JobOut)
def get_job(request: HttpRequest, job_id: int) -> JobOut:
    """One piece of long work."""
    return job_out(services.get_job(job_id=job_id))


@router.delete("/jobs/{job_id}", response={202: JobOut})
def cancel_job(request: HttpRequest, job_id: int) -> Status[JobOut]:
    """Cancel it; it ends within moments, and nothing of it stays."""
    return Status(202, job_out(services.cancel_job(job=services.get_job(job_id=job_id))))


def job_out(job: Job) -> JobOut:
    """A job whose version has been fetched."""
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
    )
