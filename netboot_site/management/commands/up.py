"""`manage.py up`: run the whole orchestrator in the foreground (`make up`)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from netboot_site.runtime.launcher import launch


class Command(BaseCommand):
    """Start everything, wait until it is healthy, stay until Ctrl-C, stop everything."""

    help = "Run the whole orchestrator in the foreground until Ctrl-C."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Run; a failed start is one clear text and exit code 1."""
        problem = launch(self._say)
        if problem:
            raise CommandError(problem)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
