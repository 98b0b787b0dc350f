"""Builds the waiting system beside the rounds of convergence, which have other machines to look after."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from django.conf import settings

from bootflow.raspberry_pi.waiting.build import missing_packages, remove_others
from netboot_site import pi_packages, system
from netboot_site.errors import UnavailableError

RETRY_SECONDS = 120.0  # to build costs half a minute of a processor, and what is wrong seldom mends itself


class Builder:
    """What one host remembers of a build: the process that does it, or why it failed and when.

    `place` tells the folder that is to be, `argv` is the program that makes it.
    """

    def __init__(
        self, place: Callable[[], Path], argv: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.place, self.argv, self.clock = place, argv, clock
        self._process: system.Process | None = None
        self._failed_at = 0.0
        self._why = ""

    def round(self) -> Path:
        """The folder. Raises UnavailableError with why it is not there, or without a word: it is coming."""
        made = self.place()
        self._look_after_process()
        if made.is_dir():
            remove_others(made)
            return made
        if missing := pi_packages.missing_from(settings.PI_PACKAGES_PATH):
            raise UnavailableError(missing_packages(missing))
        if self._process is None and (not self._why or self.clock() - self._failed_at >= RETRY_SECONDS):
            self._process, self._why = system.start_tied(self.argv), ""
        raise UnavailableError(self._why)

    def _look_after_process(self) -> None:
        if self._process is None or self._process.poll() is None:
            return
        with self._process as ended:
            said = ended.stdout.read().decode(errors="replace").strip() if ended.stdout else ""
        if self._process.returncode != 0:
            last = (said.splitlines() or ["no reason given"])[-1]
            self._why, self._failed_at = last.removeprefix("CommandError: "), self.clock()
        self._process = None
