"""Pauses overlays before the file system of the images is full; runs as long as the instance does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from images.qemu import local_store
from images.room import RoomWatch


class Command(BaseCommand):
    """`manage.py run_room_watch`."""

    help = "Pause the layers of running machines while the disk is nearly full. Needs no database."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """It asks no database: a full disk may have stopped that."""
        RoomWatch(local_store(), Path(settings.IMAGES_PATH), settings.STORAGE_RESERVE_BYTES).run()
