"""`manage.py build_waiting_system [--fetch]`: what Raspberry Pis boot until they have a disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bootflow.raspberry_pi.waiting.build import prepare
from bootflow.raspberry_pi.waiting.outlook import build_waiting_system, look_at_waiting_system
from netboot_site import pi_packages, system
from netboot_site.errors import OrchestratorError


class Command(BaseCommand):
    """Convergence does the same by itself as soon as the packages are there."""

    help = "Build the waiting system for Raspberry Pis from Debian's arm64 packages, if it is not there."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether newer packages are to be fetched first."""
        parser.add_argument("--fetch", action="store_true", help="fetch the newest packages first")

    def handle(self, *args: Any, **options: Any) -> None:
        """Build it as the user whose the boot files are, and say which models it serves."""
        try:
            if options["fetch"]:
                pi_packages.fetch(settings.PI_PACKAGES_PATH)
                prepare(settings.PI_PACKAGES_PATH)
            system.act_as_owner_of(_nearest(Path(settings.TFTP_PATH)))
            folder = build_waiting_system()
        except (OrchestratorError, OSError) as error:
            raise CommandError(str(error)) from error
        size = sum(path.stat().st_size for path in folder.iterdir())
        self.stdout.write(f"The waiting system is there ({size // 1024**2} MiB). It serves:")
        for model in look_at_waiting_system().models:
            self.stdout.write(f"  {model}")


def _nearest(path: Path) -> Path:
    """The path, or the folder above it that is there."""
    return path if path.exists() else _nearest(path.parent)
