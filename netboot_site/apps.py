"""The composition root as a Django app: it owns tokens, heartbeats and the launcher's commands."""

from django.apps import AppConfig


class NetbootSiteConfig(AppConfig):
    """Tokens, heartbeats, and the commands that start and stop everything."""

    name = "netboot_site"
    default_auto_field = "django.db.models.BigAutoField"
