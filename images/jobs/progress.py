"""How a piece of long work tells how far it is, and learns that it is wanted no more."""

from __future__ import annotations

import time
from collections.abc import Callable

from images.models import ImageState, Job

REPORT_PERIOD_SECONDS = 0.5


class Cancelled(Exception):  # noqa: N818  # an answer to a wish, no error
    """The work is wanted no more: somebody cancelled it, or what it works on was deleted."""


class Progress:
    """Writes a job's row at most twice a second."""

    def __init__(self, job: Job, clock: Callable[[], float] = time.monotonic) -> None:
        self.job_id, self._clock = job.pk, clock
        self.done_bytes, self.total_bytes = 0, job.total_bytes
        self._written_at = -REPORT_PERIOD_SECONDS

    def report(self, done_bytes: int, total_bytes: int | None = None) -> None:
        """So much is done. Raises Cancelled if no more is wanted."""
        self.done_bytes = done_bytes
        if total_bytes is not None:
            self.total_bytes = total_bytes
        if self._clock() - self._written_at >= REPORT_PERIOD_SECONDS:
            self._write()
            self._written_at = self._clock()

    def _write(self) -> None:
        rows = Job.objects.filter(pk=self.job_id)
        rows.update(done_bytes=self.done_bytes, total_bytes=self.total_bytes)
        wanted = rows.exclude(cancel_requested=True).exclude(image__state=ImageState.DELETING)
        if not wanted.exists():
            raise Cancelled
