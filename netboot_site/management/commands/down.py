"""`manage.py down`: stop the instance that runs on this DATA_PATH (`make down`)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from netboot_site.errors import ConflictError
from netboot_site.runtime.instance_lock import stop_holder

_SECONDS = 60.0


class Command(BaseCommand):
    """Stop a running instance from another shell."""

    help = "Stop the orchestrator that runs on this DATA_PATH."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask it to stop and wait until it has."""
        try:
            stopped = stop_holder(settings.DATA_PATH, _SECONDS)
        except ConflictError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CommandError(
                f"The instance on {settings.DATA_PATH} cannot be stopped: {reason}."
            ) from error
        self.stdout.write("stopped." if stopped else f"Nothing runs on {settings.DATA_PATH}.")
