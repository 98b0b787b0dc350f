"""What the worker does at each nudge: begin the next piece of work that waits, or that was cut off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.utils import timezone

from images import services
from images.jobs.boot_files import remove_leftovers
from images.jobs.checksum import request_checksums
from images.jobs.running import beating, claimed, job_lock, perform
from images.models import Job, JobKind
from images.qemu import local_store
from netboot_site.heartbeat import beat
from netboot_site.locks import advisory_lock

_SERVED = re.compile(r"j(\d+)")  # for whom a layer is served: images.disk_reading


def worker_name(node: str) -> str:
    """The heartbeat of a node's worker for long work; its queue has the same name."""
    return f"storage.{node}.jobs"


def work_once(node: str) -> bool:
    """Do one job of this node from its beginning to its end; False: there was none to do."""
    beat(worker_name(node))
    request_checksums(node)
    services.request_boot_files(node=node)
    stop_leftovers()
    remove_leftovers()
    if timezone.now().second == 0:
        services.remove_unused_blobs()
    return any(_done(job, node) for job in unfinished(node))


def unfinished(node: str) -> QuerySet[Job]:
    """The oldest first; boot files, which take seconds, before all, and checksums, which can wait, last."""
    short, patient = When(kind=JobKind.BOOT_FILES, then=Value(0)), When(kind=JobKind.CHECKSUM, then=Value(2))
    patience = Case(short, patient, default=Value(1), output_field=IntegerField())
    jobs = Job.objects.filter(image__node=node, finished_at=None)
    return jobs.select_related("image", "version__layer").order_by(patience, "pk")


def _done(job: Job, node: str) -> bool:
    with _place_for(job, node) as free:
        if not free:
            return False
        with claimed(job) as ours:
            if ours:
                with beating(worker_name(node)):
                    perform(job)
            return ours


def stop_leftovers() -> None:
    """End what serves a disk to a job whose process was killed."""
    store = local_store()
    for name in store.observe():
        if number := _SERVED.fullmatch(name):
            with advisory_lock(job_lock(int(number[1]))) as nobody_does_it:
                if nobody_does_it:
                    store.stop(name)


@contextmanager
def _place_for(job: Job, node: str) -> Iterator[bool]:
    """Of checksums one at a time, so that they never keep an import waiting."""
    if job.kind != JobKind.CHECKSUM:
        yield True
        return
    with advisory_lock(f"images.checksums.{node}") as free:
        yield free
