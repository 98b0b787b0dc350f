"""`manage.py import_devices FILE.csv`: register many devices at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from bootflow.export_list import COLUMNS
from bootflow.importing import import_devices
from netboot_site.errors import OrchestratorError


class Command(BaseCommand):
    """All or nothing; each bad line is named."""

    help = (
        "Register devices from a CSV file with the columns mac,name,device_type and, where they are wanted, "
        f"{','.join(COLUMNS[3:])}."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The file."""
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        """Import it, and say how many devices it had."""
        try:
            with options["file"].open(encoding="utf-8-sig", newline="") as lines:
                fates = import_devices(lines=lines)
        except (OrchestratorError, OSError, UnicodeDecodeError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{len(fates)} devices imported.")
