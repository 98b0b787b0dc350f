"""Long work as the REST calls show it."""

from __future__ import annotations

from ninja import Schema

from images.models import Job


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
