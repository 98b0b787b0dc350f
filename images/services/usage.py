"""Who uses a disk now, as the target server was last seen to hold its logins."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from images.around import logins_of
from images.models import Export, Image, Session
from images.waiting import users_of
from netboot_site.errors import ConflictError


def open_sessions(*, image: Image) -> QuerySet[Session]:
    """The logins to any disk of this image."""
    return Session.objects.filter(image=image, ended_at=None)


def in_use(*, image: Image) -> bool:
    """Whether an initiator is logged in to any disk of this image."""
    return open_sessions(image=image).exists()


def head_in_use(*, image: Image) -> bool:
    """Whether an initiator is logged in to the image's writable head."""
    return Session.objects.filter(iqn=image.iqn, ended_at=None).exists()


def refuse_while_head_in_use(image: Image) -> None:
    """Raises ConflictError, naming who uses the head."""
    _refuse(image, [image.iqn])


def refuse_while_export_in_use(export: Export) -> None:
    """Raises ConflictError, naming who uses this export's disk."""
    _refuse(export.image, [export.iqn])


def refuse_while_in_use(image: Image) -> None:
    """Raises ConflictError, naming who uses any of its disks."""
    _refuse(image, open_sessions(image=image).values_list("iqn", flat=True))


def _refuse(image: Image, iqns: Iterable[str]) -> None:
    sessions = Session.objects.filter(iqn__in=list(iqns), ended_at=None).order_by("started_at")
    logins = [login for some in logins_of(sessions).values() for login in some]
    if logins:
        raise ConflictError(f"The image {image.id!r} is in use by {users_of(logins)}; shut it down first.")
