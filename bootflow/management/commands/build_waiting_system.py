"""`manage.py build_waiting_system [--fetch]`: what Raspberry Pis boot until they have a disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from bootflow.raspberry_pi.waiting.boards import served_families
from bootflow.raspberry_pi.waiting.build import missing_packages, prepare, prepared_folder
from bootflow.raspberry_pi.waiting.outlook import build_waiting_system
from netboot_site import pi_packages, system
from netboot_site.errors import OrchestratorError, UnavailableError


class Command(BaseCommand):
    """Convergence does the same by itself as soon as the packages are there."""

    help = "Build the waiting system for Raspberry Pis from Debian's arm64 packages, if it is not there."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether newer packages are to be fetched first."""
        parser.add_argument("--fetch", action="store_true", help="fetch the newest packages first")

    def handle(self, *args: Any, **options: Any) -> None:
        """Build it, and say which models it serves."""
        try:
            folder = _made(Path(settings.PI_PACKAGES_PATH), fetch=options["fetch"])
        except OrchestratorError as error:
            raise CommandError(str(error)) from error
        except OSError as error:  # pages show what convergence is told: no path
            raise CommandError(f"The waiting system could not be made: {error.strerror}.") from error
        files = {path.name: path for path in folder.iterdir()}
        size = sum(path.stat().st_size for path in files.values())
        self.stdout.write(f"The waiting system is there ({size // 1024**2} MiB). It serves:")
        for model in served_families(files, files["config.txt"].read_text()):
            self.stdout.write(f"  {model}")


def _made(packages: Path, *, fetch: bool) -> Path:
    """Its folder: where Raspberry Pis find it, or beside the packages on a host that was never started."""
    if fetch:
        pi_packages.fetch(packages)
    if missing := pi_packages.missing_from(packages):
        raise UnavailableError(missing_packages(missing))
    with suppress(PermissionError):  # the services' user may read what `make setup` fetched, and no more
        prepare(packages)
    tftp = Path(settings.TFTP_PATH)
    if not tftp.exists():
        return prepared_folder(packages)
    system.act_as_owner_of(tftp)
    return build_waiting_system()
