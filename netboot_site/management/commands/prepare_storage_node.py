"""`manage.py prepare_storage_node`: what the launcher of a storage node does before its services start."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from images.models import StorageNode
from images.services import content_url, register_node
from netboot_site.heartbeat import forget

_AT_WORK = timedelta(seconds=10)


class Command(BaseCommand):
    """Register this host in the first host's database."""

    help = "Register this host as a storage node; safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        """The database must be there and of our version; the name must be nobody else's."""
        try:
            self._check_database()
        except OperationalError as error:
            raise CommandError("DATABASE_URL: the database does not answer; start the first host.") from error
        self._check_name()
        register_node(
            name=settings.STORAGE_NODE,
            portal_address=settings.BOOT_ADDRESS,
            portal_port=settings.ISCSI_PORT,
            content_url=content_url(),
        )
        forget(f"storage.{settings.STORAGE_NODE}", f"storage.{settings.STORAGE_NODE}.jobs")

    def _check_database(self) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CommandError(
                "The database is not prepared for this version: start the first host with the same one first."
            )

    def _check_name(self) -> None:
        """A second host of one name would take the first one's disks for its own."""
        node = StorageNode.objects.filter(name=settings.STORAGE_NODE).first()
        portal = (settings.BOOT_ADDRESS, settings.ISCSI_PORT)
        if node is None or node.observed_at is None or (node.portal_address, node.portal_port) == portal:
            return
        if timezone.now() - node.observed_at < _AT_WORK:
            raise CommandError(
                f"A storage node named {node.name} is at work at {node.portal}: "
                f"give this one another name (STORAGE_NODE)."
            )
