"""`manage.py prepare_site`: what the launcher does between the database's start and the services' start."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction

from images.services import content_url, register_node
from netboot_site.auth import create_token, token_digest
from netboot_site.heartbeat import forget
from netboot_site.models import ApiToken


class Command(BaseCommand):
    """Migrate, collect static files, register this storage node, create the first administrator."""

    help = "Prepare database and static files; safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do all of it; each step leaves alone what is there."""
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        register_node(
            name=settings.STORAGE_NODE,
            portal_address=settings.BOOT_ADDRESS,
            portal_port=settings.ISCSI_PORT,
            content_url=content_url(),
        )
        forget_heartbeats()
        if ensure_administrator(settings.ADMIN_USERNAME, settings.ADMIN_PASSWORD):
            self.stdout.write("administrator created")
        if settings.ADMIN_API_TOKEN:
            ensure_token(settings.ADMIN_USERNAME, settings.ADMIN_API_TOKEN)


def forget_heartbeats() -> None:
    """What the services of an earlier run did says nothing about those of this one."""
    node = f"storage.{settings.STORAGE_NODE}"
    forget("control", "recorder", "dnsmasq", node, f"{node}.jobs")


@transaction.atomic
def ensure_administrator(username: str, password: str) -> bool:
    """Create the first administrator; nobody's password is ever changed here."""
    if not password or User.objects.filter(is_superuser=True).exists():
        return False
    if User.objects.filter(username=username).exists():
        return False
    User.objects.create_superuser(username, password=password)
    return True


@transaction.atomic
def ensure_token(username: str, token: str) -> None:
    """Make ADMIN_API_TOKEN valid for the administrator; one that was revoked stays revoked."""
    if ApiToken.objects.filter(digest=token_digest(token)).exists():
        return
    people = User.objects.filter(is_superuser=True)
    user = people.filter(username=username).first() or people.earliest("date_joined")
    create_token(user=user, name="ADMIN_API_TOKEN", scope=ApiToken.Scope.FULL, token=token)
