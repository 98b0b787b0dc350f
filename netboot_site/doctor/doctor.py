"""The one doctor of a process: examines in the background, one examination at a time, and keeps the last."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from netboot_site.doctor.examination import Report, examine

OLD_AFTER = timedelta(seconds=60)
ENDS_WITHIN_SECONDS = 8.0  # longer than all that an examination waits for


class Doctor:
    """Whoever asks while an examination runs waits for that one."""

    def __init__(self, examine: Callable[..., Report]) -> None:
        self._examine = examine
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.report: Report | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an examination runs now."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_due(self) -> bool:
        """Whether there is no report, or one that says little of now."""
        return self.report is None or timezone.now() - self.report.at > OLD_AFTER

    def start(self, *, ask_wire: bool = False) -> None:
        """Begin an examination, if none runs."""
        with self._lock:
            if not self.is_busy:
                self._thread = threading.Thread(target=self._work, args=(ask_wire,), daemon=True)
                self._thread.start()

    def _work(self, ask_wire: bool) -> None:
        self.report = self._examine(ask_wire=ask_wire)

    def fresh(self) -> Report | None:
        """A report of this minute, waited for if need be; None: it did not come in time."""
        if self.is_due:
            self.start()
            self.wait()
        return self.report

    def wait(self) -> None:
        """Until the running examination has ended."""
        if self._thread is not None:
            self._thread.join(ENDS_WITHIN_SECONDS)


local_doctor = Doctor(examine)
