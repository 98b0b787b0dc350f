"""Becomes the iSCSI target server; the converger gives it its portal and its targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from images.tgt import daemon_argv, daemon_environment
from netboot_site import system


class Command(BaseCommand):
    """`manage.py run_tgtd`."""

    help = (
        "Run tgtd on a private control socket; it is empty and unreachable until the converger has filled it."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Whoever reaches the control socket owns every disk, so its folder is the storage user's alone."""
        folder = Path(settings.TGT_SOCKET_PATH).parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        system.replace(daemon_argv(), env=daemon_environment(settings.TGT_SOCKET_PATH))
