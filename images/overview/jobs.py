"""Long work on images, as pages show it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from images.around import Around
from images.models import Image, Job, JobKind, JobState
from images.waiting import job_waits

ENDED_SHOWN = 20
UNFINISHED_SHOWN = 200
LEAST_SECONDS = 2.0  # until a rate means something


@dataclass(frozen=True, slots=True)
class JobRow:
    """A piece of long work: how fast it is, how long it still takes, what it waits for."""

    job: Job
    waits: list[str]
    rate_bytes: float | None  # in a second
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class JobWish:
    """Which jobs a list shows; `unfinished` are those that wait or run."""

    image: str = ""
    node: str = ""
    kind: str = ""
    state: str = ""


def search_jobs(wish: JobWish) -> QuerySet[Job]:
    """The newest first."""
    rows = Job.objects.select_related("image", "version")
    if wish.image:
        rows = rows.filter(image=wish.image)
    if wish.node:
        rows = rows.filter(image__node=wish.node)
    if wish.kind in JobKind.values:
        rows = rows.filter(kind=wish.kind)
    if wish.state == "unfinished":
        return rows.filter(finished_at=None)
    return rows.filter(state=wish.state) if wish.state in JobState.values else rows


def rows_of(jobs: Iterable[Job], around: Around) -> list[JobRow]:
    """Jobs whose image and version have been fetched, as they are drawn."""
    return [_row(job, around) for job in jobs]


def _row(job: Job, around: Around) -> JobRow:
    rate = left = None
    if job.state == JobState.RUNNING and job.started_at is not None and job.done_bytes:
        seconds = (around.now - job.started_at).total_seconds()
        rate = job.done_bytes / seconds if seconds >= LEAST_SECONDS else None
        left = max(0, job.total_bytes - job.done_bytes) / rate if rate and job.total_bytes else None
    return JobRow(job, job_waits(job, around), rate, left)


def jobs_of(image: Image) -> list[Job]:
    """What runs or waits, and the last that failed if nothing of its kind went well since. Two queries."""
    rows = Job.objects.filter(image=image).select_related("image", "version")
    unfinished = list(rows.filter(finished_at=None)[:UNFINISHED_SHOWN])
    ended = rows.filter(state__in=[JobState.FAILED, JobState.DONE]).order_by("-id")
    last = next(iter(ended[:1]), None)
    return [*unfinished, *([last] if last is not None and last.state == JobState.FAILED else [])]


def unfinished_jobs() -> list[Job]:
    """All that runs or waits. One query."""
    return list(search_jobs(JobWish(state="unfinished"))[:UNFINISHED_SHOWN])


def ended_jobs() -> list[Job]:
    """The last that ended, however they did. One query."""
    rows = search_jobs(JobWish()).exclude(finished_at=None)
    return list(rows.order_by("-finished_at")[:ENDED_SHOWN])
