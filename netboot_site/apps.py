"""The composition root as a Django app: it owns tokens, heartbeats and the launcher's commands."""

from django.apps import AppConfig


class NetbootSiteConfig(AppConfig):
    """Tokens, heartbeats, and the commands that start and stop everything."""

    name = "netboot_site"
    verbose_name = "Orchestrator"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Bind the tasks to our Celery application; small processes import the package without it."""
        from netboot_site import celery  # noqa: F401
