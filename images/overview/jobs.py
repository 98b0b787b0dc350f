"""Long work on images, as pages show it."""

from __future__ import annotations

from images.models import Image, Job, JobState

ENDED_SHOWN = 20
UNFINISHED_SHOWN = 200


def jobs_of(image: Image) -> list[Job]:
    """What runs or waits, and the last that failed if nothing of its kind went well since. Two queries."""
    rows = Job.objects.filter(image=image).select_related("version")
    unfinished = list(rows.filter(finished_at=None)[:UNFINISHED_SHOWN])
    ended = rows.filter(state__in=[JobState.FAILED, JobState.DONE]).order_by("-id")
    last = next(iter(ended[:1]), None)
    return [*unfinished, *([last] if last is not None and last.state == JobState.FAILED else [])]


def unfinished_jobs() -> list[Job]:
    """All that runs or waits. One query."""
    return list(Job.objects.filter(finished_at=None).select_related("image", "version")[:UNFINISHED_SHOWN])


def ended_jobs() -> list[Job]:
    """The last that ended, however they did. One query."""
    return list(
        Job.objects.exclude(finished_at=None)
        .select_related("image", "version")
        .order_by("-finished_at")[:ENDED_SHOWN]
    )
