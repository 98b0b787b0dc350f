"""Services say that they live; the health page reads it."""

from django.utils import timezone

from netboot_site.models import Heartbeat


def forget(*names: str) -> None:
    """What these services did before says nothing about them any more."""
    Heartbeat.objects.filter(name__in=names).delete()


def beat(name: str, *, last_error: str = "") -> None:
    """Note that the service `name` has just done its round, and what troubled it (empty: nothing)."""
    Heartbeat.objects.update_or_create(
        name=name, defaults={"beat_at": timezone.now(), "last_error": last_error}
    )
