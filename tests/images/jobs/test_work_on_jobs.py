"""The runner: what is begun, in what order, how it ends, and what becomes of work that was cut off."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection
from django.utils import timezone

from images import services
from images.jobs import running
from images.jobs.progress import Progress
from images.jobs.round import work_once, worker_name
from images.jobs.running import job_lock
from images.models import Image, Job, JobKind, JobState
from netboot_site.errors import ConflictError
from netboot_site.locks import advisory_lock
from netboot_site.models import Heartbeat
from tests.images.jobs.conftest import elsewhere
from tests.images.tgtd import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
MakeJob = Callable[..., Job]
Let = Callable[..., None]


def noted(done: list[int]) -> Callable[[Job, Progress], None]:
    return lambda job, _: done.append(job.pk)


def state_of(job: Job) -> tuple[str, str]:
    job.refresh_from_db()
    return job.state, job.last_error


def test_a_waiting_job_is_done_and_says_so(make_job: MakeJob, let: Let) -> None:
    def work(job: Job, progress: Progress) -> None:
        assert Job.objects.get(pk=job.pk).state == JobState.RUNNING
        progress.report(100, 400)
        progress.report(400)

    let(work)
    job = make_job()
    assert work_once("local")
    assert state_of(job) == (JobState.DONE, "")
    assert (job.done_bytes, job.total_bytes, job.progress) == (400, 400, 1.0)
    assert job.started_at is not None
    assert job.finished_at is not None
    assert not work_once("local"), "it was done once already"


def test_the_oldest_comes_first_and_a_checksum_waits_for_all_of_them(make_job: MakeJob, let: Let) -> None:
    done: list[int] = []
    for kind in (JobKind.SQUASH, JobKind.CHECKSUM):
        let(noted(done), kind)
    jobs = [make_job(kind) for kind in (JobKind.CHECKSUM, JobKind.SQUASH, JobKind.SQUASH)]
    while work_once("local"):
        pass
    assert done == [jobs[1].pk, jobs[2].pk, jobs[0].pk]


def test_another_nodes_job_is_left_to_it(make_job: MakeJob, let: Let, image: Image) -> None:
    let(noted([]))
    services.register_node(name="other", portal_address="10.66.0.2", portal_port=3260)
    Image.objects.filter(pk=image.pk).update(node="other")
    job = make_job()
    assert not work_once("local")
    assert state_of(job)[0] == JobState.WAITING
    assert work_once("other")


def test_two_workers_never_do_one_job(make_job: MakeJob, let: Let) -> None:
    done: list[int] = []
    second: list[bool] = []

    def work(job: Job, _: Progress) -> None:
        done.append(job.pk)
        second.append(elsewhere(lambda: work_once("local")))

    let(work)
    job = make_job()
    assert work_once("local")
    assert done == [job.pk], "the second worker did it, too"
    assert second == [False]


def test_of_checksums_one_runs_at_a_time_and_an_import_beside_it(make_job: MakeJob, let: Let) -> None:
    order: list[str] = []

    def checksum(job: Job, _: Progress) -> None:
        order.append("checksum begins")
        if len(order) == 1:
            make_job(JobKind.IMPORT)
            assert elsewhere(lambda: work_once("local"))
            assert not elsewhere(lambda: work_once("local"))

    let(checksum, JobKind.CHECKSUM)
    let(lambda job, _: order.append(job.kind))
    make_job(JobKind.CHECKSUM)
    make_job(JobKind.CHECKSUM)
    work_once("local")
    assert order == ["checksum begins", "import"]


def test_a_job_that_was_cut_off_is_begun_again(make_job: MakeJob, let: Let) -> None:
    done: list[int] = []
    let(noted(done))
    job = make_job(state=JobState.RUNNING, done_bytes=7, details={"file": "a", "starts": 1})
    with advisory_lock(job_lock(job.pk)):
        assert not elsewhere(lambda: work_once("local")), "whoever holds its lock is doing it"
    assert work_once("local")
    assert done == [job.pk]
    assert state_of(job)[0] == JobState.DONE
    assert job.details == {"file": "a", "starts": 2}


def test_a_job_that_ends_its_worker_each_time_is_given_up(make_job: MakeJob, let: Let) -> None:
    done: list[int] = []
    let(noted(done))
    job = make_job(state=JobState.RUNNING, details={"starts": running.MOST_STARTS})
    assert not work_once("local")
    assert done == []
    assert state_of(job) == (
        JobState.FAILED,
        "The storage node's process that did it was ended; start it again.",
    )


def test_a_transfer_whose_process_is_gone_has_failed(make_job: MakeJob) -> None:
    job = make_job(JobKind.EXPORT, state=JobState.RUNNING)
    assert not work_once("local")
    assert state_of(job)[0] == JobState.FAILED


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConflictError("The image 'disk1' is in use."), "The image 'disk1' is in use."),
        (OSError(errno.ENOSPC, "x", "/secret/path"), "No room is left on the storage node."),
        (OSError(errno.EIO, "x", "/secret"), "The storage node could not read or write its files."),
        (SoftTimeLimitExceeded(), "It took longer than the storage node lets any work take."),
    ],
)
def test_what_goes_wrong_is_told_in_a_sentence(
    make_job: MakeJob, let: Let, error: Exception, told: str
) -> None:
    def work(job: Job, progress: Progress) -> None:
        progress.report(5, 10)
        raise error

    let(work)
    job = make_job()
    assert work_once("local")
    assert state_of(job) == (JobState.FAILED, told)
    assert job.progress == 0.5


def test_a_mistake_of_ours_is_not_tried_again_and_goes_to_the_log(make_job: MakeJob, let: Let) -> None:
    def work(job: Job, progress: Progress) -> None:
        raise ZeroDivisionError

    let(work)
    job = make_job()
    with pytest.raises(ZeroDivisionError):
        work_once("local")
    assert state_of(job)[0] == JobState.FAILED
    assert "mistake of this program" in job.last_error
    assert not work_once("local")


def test_a_job_that_was_cancelled_before_its_turn_is_never_begun(make_job: MakeJob, let: Let) -> None:
    done: list[int] = []
    let(noted(done))
    cut_off = make_job(state=JobState.RUNNING, cancel_requested=True)
    assert not work_once("local")
    assert (done, state_of(cut_off)[0]) == ([], JobState.CANCELLED)


def test_ended_jobs_are_forgotten_the_oldest_first(
    make_job: MakeJob, let: Let, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "KEPT_JOBS", 3)
    let(noted([]), JobKind.SQUASH)
    old = [make_job(JobKind.EXPORT, state=JobState.DONE, finished_at=timezone.now()) for _ in range(5)]
    waiting = make_job(JobKind.SQUASH), make_job(JobKind.SQUASH)
    work_once("local")
    assert [job.pk for job in Job.objects.all()] == [waiting[1].pk, waiting[0].pk, old[4].pk, old[3].pk]


def test_each_round_is_a_heartbeat_and_a_long_job_goes_on_beating(
    make_job: MakeJob, let: Let, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BEAT_SECONDS", 0.05)
    beats = Heartbeat.objects.filter(name=worker_name("local"))

    def work(job: Job, progress: Progress) -> None:
        assert beats.exists(), "there was none at the round's beginning"
        beats.update(beat_at=timezone.now() - timedelta(hours=1))
        fresh = timezone.now() - timedelta(minutes=1)
        wait_until(lambda: beats.filter(beat_at__gt=fresh).exists(), 10, "the worker beats")

    let(work)
    make_job()
    assert work_once("local")
    assert not any(thread.name == "beat" for thread in threading.enumerate()), "its thread is left"


def test_a_worker_that_is_told_to_end_puts_its_job_back(make_job: MakeJob, let: Let) -> None:
    def work(job: Job, progress: Progress) -> None:
        raise SystemExit(-241)  # billiard's answer to SIGTERM

    let(work)
    job = make_job(details={"file": "a"})
    for _ in range(2 * running.MOST_STARTS):  # however often the orchestrator is restarted
        with pytest.raises(SystemExit):
            work_once("local")
        assert state_of(job) == (JobState.WAITING, "")
    done: list[int] = []
    let(noted(done))
    assert work_once("local")
    assert done == [job.pk]
    assert job.finished_at is None


def test_a_killed_worker_leaves_the_job_to_the_next_one(make_job: MakeJob, let: Let) -> None:
    job = make_job()
    done: list[int] = []
    connection.close()  # a child must not share it
    child = os.fork()
    if child == 0:
        let(lambda job, progress: os.kill(os.getpid(), 9))
        work_once("local")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 9, "the child was not killed at its work"
    assert state_of(job)[0] == JobState.RUNNING
    let(noted(done))
    wait_until(lambda: work_once("local"), 10, "the job is begun again")
    assert done == [job.pk]
