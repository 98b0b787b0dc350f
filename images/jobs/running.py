"""One job from its claim to its end: whatever cuts it off, its row tells what became of it."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.module_loading import import_string

from images import services
from images.jobs.progress import Cancelled, Progress
from images.models import ENDED, Job, JobKind, JobState
from netboot_site.errors import OrchestratorError
from netboot_site.heartbeat import beat
from netboot_site.locks import advisory_lock

Work = Callable[[Job, Progress], None]
KINDS: dict[str, str] = {
    JobKind.IMPORT: "images.importing.work.run_import",
    JobKind.SQUASH: "images.jobs.squash.run_squash",
    JobKind.CHECKSUM: "images.jobs.checksum.run_checksum",
    JobKind.BOOT_FILES: "images.jobs.boot_files.run_boot_files",
}
KEPT_JOBS = 500  # ended ones; the oldest go first
MOST_STARTS = 3  # work that ends its own worker each time is given up
BEAT_SECONDS = 5.0
WAIT_SECONDS = 0.1
_CUT_OFF = "The storage node's process that did it was ended; start it again."
_OURS = "It was ended by a mistake of this program; the storage node's log tells more."
_DISK_ERRORS = {
    errno.ENOSPC: "No room is left on the storage node.",
    errno.EDQUOT: "No room is left on the storage node.",
    errno.EFBIG: "The storage node's file system holds no file as large as that.",
    errno.ENOENT: "A file that was there a moment ago is missing on the storage node.",
}


def job_lock(job_id: int) -> str:
    """The lock that whoever does the job holds: a running job without it was cut off."""
    return f"images.job.{job_id}"


def begin(job: Job) -> bool:
    """Mark a job as running, with its lock held; False: it is not to be done, or not any more."""
    job.refresh_from_db()
    if job.state in ENDED:
        return False
    starts = job.details.get("starts", 0)
    if job.cancel_requested:
        return _refuse(job, JobState.CANCELLED, "")
    if job.kind not in KINDS or starts >= MOST_STARTS:
        return _refuse(job, JobState.FAILED, _CUT_OFF)
    job.details = {**job.details, "starts": starts + 1}
    job.state, job.started_at, job.done_bytes = JobState.RUNNING, timezone.now(), 0
    unchanged = Job.objects.filter(pk=job.pk, finished_at=None, cancel_requested=False)
    return bool(
        unchanged.update(details=job.details, state=job.state, started_at=job.started_at, done_bytes=0)
    )


def _refuse(job: Job, state: JobState, reason: str) -> bool:
    finish(job, state, reason)
    return False


def see_through(job: Job) -> None:
    """Do a job of this node here, or wait for whoever does it; another node's is waited for."""
    while job.finished_at is None:
        if job.image.node_id == settings.STORAGE_NODE:
            with claimed(job) as ours:
                if ours:
                    perform(job)
        time.sleep(WAIT_SECONDS)
        job.refresh_from_db()


def perform(job: Job) -> None:
    """Do a job that was begun."""
    progress = Progress(job)
    with suppress(Cancelled, SoftTimeLimitExceeded, OrchestratorError, OSError), ending(job, progress):
        work: Work = import_string(KINDS[job.kind])
        work(job, progress)


@contextmanager
def ending(job: Job, progress: Progress) -> Iterator[None]:
    """However the block ends, the row says so; what ended it goes on.

    A worker that is told to end puts its job back.
    """
    state, reason = JobState.FAILED, _OURS
    try:
        yield
        state, reason = JobState.DONE, ""
    except SystemExit:
        state = JobState.WAITING
        raise
    except Cancelled:
        state, reason = JobState.CANCELLED, ""
        raise
    except GeneratorExit:
        state, reason = JobState.CANCELLED, "Its receiver went away."
        raise
    except SoftTimeLimitExceeded:
        reason = "It took longer than the storage node lets any work take."
        raise
    except OrchestratorError as error:
        reason = str(error)
        raise
    except OSError as error:
        reason = _DISK_ERRORS.get(error.errno or 0, "The storage node could not read or write its files.")
        raise
    finally:
        if state == JobState.WAITING:
            _put_back(job)
        else:
            finish(job, state, reason, progress)


def _put_back(job: Job) -> None:
    """It was not its fault, so it does not count as one of its starts."""
    job.details = {**job.details, "starts": job.details.get("starts", 1) - 1}
    Job.objects.filter(pk=job.pk, finished_at=None).update(state=JobState.WAITING, details=job.details)


def finish(job: Job, state: JobState, reason: str, progress: Progress | None = None) -> None:
    """Write down its end, once, and forget jobs that ended long ago."""
    if job.kind == JobKind.BOOT_FILES and state == JobState.FAILED:
        services.note_unread(job=job, reason=reason)
    known: dict[str, int | None] = {}
    if progress is not None:
        known = {"done_bytes": progress.done_bytes, "total_bytes": progress.total_bytes}
    Job.objects.filter(pk=job.pk, finished_at=None).update(
        state=state, last_error=reason, finished_at=timezone.now(), **known
    )
    old = Job.objects.exclude(finished_at=None).values_list("pk", flat=True)[KEPT_JOBS:]
    Job.objects.filter(pk__in=list(old)).delete()


@contextmanager
def beating(name: str) -> Iterator[None]:
    """Show that a worker lives while one task keeps it busy for hours."""
    ended = threading.Event()
    thread = threading.Thread(target=_beat_until, args=(name, ended), name="beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat_until(name: str, ended: threading.Event) -> None:
    try:
        while not ended.wait(BEAT_SECONDS):
            beat(name)
    finally:
        connection.close()  # a thread has a connection of its own


@contextmanager
def claimed(job: Job) -> Iterator[bool]:
    """Whether it is ours to do: nobody else does it, and it is still wanted."""
    with advisory_lock(job_lock(job.pk)) as held:
        yield held and begin(job)
