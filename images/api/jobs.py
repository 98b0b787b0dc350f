"""REST calls of long work on images."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import Field

from devices.schemas import Text
from images import services
from images.api.versions import Number, author
from images.around import look_around
from images.jobs.checksum import request_verification
from images.overview import JobWish, search_jobs
from images.schemas.jobs import JobOut, job_out

router = Router()
States = Literal["", "unfinished", "waiting", "running", "done", "failed", "cancelled"]
Kinds = Literal["", "import", "squash", "checksum", "export", "boot-files"]


class JobFilter(Schema):
    """Which jobs a list shows; `unfinished` are those that wait or run."""

    image: Text = ""
    node: Text = ""
    kind: Kinds = ""
    state: States = ""
    limit: Annotated[int, Field(ge=0, le=1000)] = 100
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0


@router.get("/jobs", response=list[JobOut])
def list_jobs(request: HttpRequest, response: HttpResponse, filters: Query[JobFilter]) -> list[JobOut]:
    """Long work, the newest first; of what ended, the last 500. `X-Total-Count` tells how many."""
    rows = search_jobs(JobWish(filters.image, filters.node, filters.kind, filters.state))
    around = look_around()
    response["X-Total-Count"] = str(rows.count())
    return [job_out(job, around) for job in rows[filters.offset : filters.offset + filters.limit]]


@router.get("/jobs/{job_id}", response=JobOut)
def get_job(request: HttpRequest, job_id: int) -> JobOut:
    """One piece of long work."""
    return job_out(services.get_job(job_id=job_id), look_around())


@router.delete("/jobs/{job_id}", response={202: JobOut})
def cancel_job(request: HttpRequest, job_id: int) -> Status[JobOut]:
    """Cancel it; it ends within moments, and nothing of it stays."""
    job = services.cancel_job(job=services.get_job(job_id=job_id))
    return Status(202, job_out(job, look_around()))


@router.post("/images/{image_id}/versions/{number}/verify", response={202: JobOut})
def verify_version(request: HttpRequest, image_id: str, number: Number) -> Status[JobOut]:
    """Read all of a version again and compare its SHA-256; the version's `last_error` tells a difference."""
    job = request_verification(image=services.get_image(image_id=image_id), number=number)
    return Status(202, job_out(services.get_job(job_id=job.pk), look_around()))


@router.post("/images/{image_id}/versions/{number}/squash", response={202: JobOut})
def squash_version(request: HttpRequest, image_id: str, number: Number) -> Status[JobOut]:
    """Copy a version that stands on a long chain of layers into a single one; machines go on meanwhile."""
    image = services.get_image(image_id=image_id)
    job = services.request_squash(image=image, number=number, author=author(request))
    return Status(202, job_out(job, look_around()))
