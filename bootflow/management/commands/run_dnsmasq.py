"""Keeps dnsmasq running: `manage.py run_dnsmasq`."""

from __future__ import annotations

import sys
import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import OperationalError, connection

from bootflow.adapters import PID_NAME, STARTED_NAME
from bootflow.convergence import local_server
from bootflow.tasks import converge
from netboot_site import system

RETRY_SECONDS = 1.0


class Command(BaseCommand):
    """Makes the configuration be right, then becomes the small process that keeps dnsmasq."""

    help = "Run dnsmasq in the foreground, its lines on standard output with the time before each."
    requires_system_checks = []  # they would load every page and the whole REST API

    def handle(self, *args: Any, **options: Any) -> None:
        """Wait for a configuration, and never come back."""
        while not self._has_config():
            time.sleep(RETRY_SECONDS)
        connection.close()
        server = local_server()
        (server.folder / PID_NAME).unlink(missing_ok=True)
        keeper = [sys.executable, "-m", "netboot_site.stamp", "--started"]
        files = [str(server.folder / STARTED_NAME), str(server.config_path)]
        daemon = ["dnsmasq", "--keep-in-foreground", f"--conf-file={server.config_path}", "--log-facility=-"]
        system.replace([*system.TIED, *keeper, *files, "--", *daemon])

    def _has_config(self) -> bool:
        """Whether dnsmasq can start. While the database is away it starts as it last was."""
        try:
            converge()
        except OperationalError as error:
            self.stderr.write(f"The database does not answer yet: {error}")
        return local_server().observe().config is not None
