"""Lets disks that grow wait before a node's file system is full, and go on when there is room again.

A layer that found no room would fail its machine's writes. So all layers that are written pause while there
is some left: at half of the reserve, below which nothing new is started anyway. That half must hold what
machines write between two looks, and what they have written into memory already. They go on at three quarters
of the reserve: with one limit for both, each would be stopped again by its own first writes.
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from images.ports import LayerStore
from netboot_site.errors import OrchestratorError

logger = logging.getLogger(__name__)
LOOK_SECONDS = 0.1  # 512 MiB between two looks is more than any disk takes


@dataclass(frozen=True, slots=True)
class Limits:
    """Free bytes at which disks pause, and at which they go on."""

    pause_below: int
    resume_from: int

    @classmethod
    def of(cls, reserve_bytes: int) -> Limits:
        """Those of a reserve."""
        return cls(reserve_bytes // 2, reserve_bytes * 3 // 4)


def free_bytes(path: Path) -> int:
    """What a program may still write to the file system there; what waits in memory counts as written."""
    room = os.statvfs(path)
    return room.f_bavail * room.f_frsize


class RoomWatch:
    """Looks at one folder, and at what is served from it."""

    def __init__(self, store: LayerStore, path: Path, reserve_bytes: int) -> None:
        self._store, self._path, self._limits = store, path, Limits.of(reserve_bytes)
        self._held = True  # whoever watched before us may have left some paused
        self._trouble = ""

    def run(self) -> None:
        """Look until the program is ended."""
        while True:
            self.look()
            time.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Pause or resume what has to be. What goes wrong is told once, and tried again at the next look."""
        trouble = ""
        try:
            free = free_bytes(self._path)
            if free < self._limits.pause_below:
                self._pause(free)
            elif self._held and free >= self._limits.resume_from:
                self._resume(free)
        except (OSError, OrchestratorError) as error:
            trouble = str(error)
        if trouble and trouble != self._trouble:
            logger.warning("%s", trouble)
        self._trouble = trouble

    def _pause(self, free: int) -> None:
        growing = [
            name
            for name, served in self._store.observe().items()
            if served.alive and served.writable and not served.paused
        ]
        if growing:
            self._held = True
            self._store.pause(*growing)
            logger.warning("%d bytes are free: paused %s", free, ", ".join(growing))

    def _resume(self, free: int) -> None:
        paused = [name for name, served in self._store.observe().items() if served.paused]
        for name in paused:
            self._store.resume(name)
        self._held = False
        if paused:
            logger.warning("%d bytes are free: let go on %s", free, ", ".join(paused))
