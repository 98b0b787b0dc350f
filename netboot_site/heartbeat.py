"""Services say that they live, and what they see of their host; health page and doctor read it."""

from typing import Any

from django.utils import timezone

from netboot_site.models import Heartbeat, HostFacts


def forget(*names: str) -> None:
    """What these services did before says nothing about them any more."""
    Heartbeat.objects.filter(name__in=names).delete()
    HostFacts.objects.filter(name__in=names).delete()


def beat(name: str, *, last_error: str = "") -> None:
    """Note that the service `name` has just done its round, and what troubled it (empty: nothing)."""
    Heartbeat.objects.update_or_create(
        name=name, defaults={"beat_at": timezone.now(), "last_error": last_error}
    )


def tell_facts(name: str, facts: dict[str, Any]) -> None:
    """Note what the service `name` sees of its host, whole."""
    HostFacts.objects.update_or_create(
        name=name, defaults={"observed_at": timezone.now(), "observed_facts": facts}
    )
