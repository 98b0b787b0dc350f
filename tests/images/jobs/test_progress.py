"""What a job tells while it runs, and how it learns that nobody wants it any more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from images import services
from images.jobs.progress import Cancelled, Progress
from images.jobs.round import work_once
from images.models import Image, ImageState, Job, JobState
from netboot_site.errors import ConflictError, NotFoundError

pytestmark = pytest.mark.django_db(transaction=True)
MakeJob = Callable[..., Job]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def row(job: Job) -> tuple[int, int | None]:
    job.refresh_from_db()
    return job.done_bytes, job.total_bytes


def test_the_row_is_written_at_once_and_then_twice_a_second(make_job: MakeJob) -> None:
    clock, job = Clock(), make_job()
    progress = Progress(job, clock)
    progress.report(1, 1000)
    assert row(job) == (1, 1000)
    clock.now += 0.49
    with CaptureQueriesContext(connection) as queries:
        for done in range(2, 500):
            progress.report(done)
    assert len(queries) == 0
    clock.now += 0.01
    progress.report(500)
    assert row(job) == (500, 1000)


def test_progress_is_a_share_where_the_end_is_known(make_job: MakeJob) -> None:
    assert make_job(done_bytes=5).progress is None
    Job.objects.all().delete()
    assert make_job(done_bytes=5, total_bytes=20).progress == 0.25


def test_cancelling_stops_the_work_at_its_next_report(make_job: MakeJob, let: Callable[..., None]) -> None:
    after: list[str] = []

    def work(job: Job, progress: Progress) -> None:
        progress.report(1, 10)
        services.cancel_job(job=job)
        progress._written_at = 0.0
        progress.report(2)
        after.append("went on")

    let(work)
    job = make_job()
    work_once("local")
    job.refresh_from_db()
    assert (job.state, job.last_error, after) == (JobState.CANCELLED, "", [])


def test_a_deleted_image_stops_its_work(make_job: MakeJob, image: Image) -> None:
    progress = Progress(make_job())
    Image.objects.filter(pk=image.pk).update(state=ImageState.DELETING)
    with pytest.raises(Cancelled):
        progress.report(1)


def test_work_whose_row_is_gone_stops(make_job: MakeJob) -> None:
    progress = Progress(make_job())
    Job.objects.all().delete()
    with pytest.raises(Cancelled):
        progress.report(1)


def test_a_waiting_job_is_cancelled_at_once(make_job: MakeJob) -> None:
    job = services.cancel_job(job=make_job())
    assert job.state == JobState.CANCELLED
    assert job.finished_at is not None


def test_what_has_ended_cannot_be_cancelled(make_job: MakeJob) -> None:
    job = make_job()
    services.cancel_job(job=job)
    with pytest.raises(ConflictError, match="has ended already"):
        services.cancel_job(job=job)


@pytest.mark.parametrize("number", [0, -1, 10**30, 12345])
def test_an_unknown_job_is_not_found(db: None, number: int) -> None:
    with pytest.raises(NotFoundError, match="There is no job"):
        services.get_job(job_id=number)
