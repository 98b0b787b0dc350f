"""The flight recorder's process: `manage.py run_recorder`."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, connection

from bootflow.recorder import bounds, sweep
from bootflow.recorder.rounds import Recorder
from netboot_site.heartbeat import beat

logger = logging.getLogger(__name__)
ROUND_SECONDS = 0.2
DATABASE_RETRY_SECONDS = 1.0


@dataclass
class Chore:
    """Something that is done every so often."""

    work: Callable[[], Any]
    every_seconds: float
    due: float = field(default=0.0)

    def do(self, now: float) -> None:
        """Do it if it is due; once more in the next round if it says that there is more."""
        if now >= self.due:
            more = self.work()
            self.due = now if more is True else now + self.every_seconds


class Command(BaseCommand):
    """Reads what dnsmasq, nginx and the target servers say, and writes it down as boots."""

    help = "Record boots until told to stop."
    requires_system_checks = []  # they would load every page and the whole REST API

    def handle(self, *args: Any, **options: Any) -> None:
        """Round after round. While the database is away nothing is read, so nothing is lost."""
        self.stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopped.set())
        recorder = Recorder(settings.LOGS_PATH, settings.TFTP_PATH)
        chores = self._chores(recorder)
        while not self.stopped.is_set():
            try:
                self._round(recorder, chores)
            except (OperationalError, InterfaceError) as error:
                logger.warning("The database is away; the recorder goes on where it was: %s", error)
                connection.close()
                self.stopped.wait(DATABASE_RETRY_SECONDS)

    def _round(self, recorder: Recorder, chores: list[Chore]) -> None:
        more = recorder.follow_dnsmasq()
        more |= recorder.follow_files()
        for chore in chores:
            chore.do(time.monotonic())
        if not more:
            self.stopped.wait(ROUND_SECONDS)

    @staticmethod
    def _chores(recorder: Recorder) -> list[Chore]:
        return [
            Chore(recorder.follow_sessions, 1.0),
            Chore(bounds.trim_events, 1.0),  # before they are judged, all of them at once
            Chore(sweep.judge_open_boots, 1.0),
            Chore(lambda: beat("recorder"), 2.0),
            Chore(bounds.trim_history, 60.0),
        ]
