"""`manage.py demo`: boot a virtual PC against the running orchestrator (`make demo`)."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from netboot_site.demo.show import demonstrate
from netboot_site.errors import OrchestratorError


class Command(BaseCommand):
    """Boot a virtual PC from its own iSCSI disk, tell each stage, and remove it again."""

    help = "Boot a virtual PC against the running orchestrator; needs root, but no hardware virtualisation."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run; what goes wrong is one clear text and exit code 1. SIGTERM cleans up as Ctrl-C does."""
        # SIGINT too: a shell starts its background jobs with it ignored, and Python then leaves it so.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            demonstrate(self._say)
        except OrchestratorError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as error:
            raise CommandError("Stopped; everything that the demonstration made is removed.") from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
