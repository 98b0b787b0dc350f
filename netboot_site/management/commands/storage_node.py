"""`manage.py storage_node`: serve disks for an orchestrator that runs elsewhere (`make storage-node`)."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from netboot_site import system


class Command(BaseCommand):
    """Run what a storage node needs, in the foreground until Ctrl-C."""

    help = "Serve disks as STORAGE_NODE for the orchestrator whose DATABASE_URL and REDIS_URL are given."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """It is `up` with fewer programs; settings are read once, so it begins anew with this one changed."""
        argv = [sys.executable, str(settings.BASE_PATH / "manage.py"), "up"]
        system.replace(argv, env=system.environment_with({"STORAGE_ONLY": "true"}))
