"""Who uses a disk now, as the target server was last seen to hold its logins."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from images.models import Export, Image, Session
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
    names = Session.objects.filter(iqn__in=list(iqns), ended_at=None).values_list("initiator_name", flat=True)
    if names:
        users = ", ".join(sorted({_device_names(image).get(name, name) for name in names}))
        raise ConflictError(f"The image {image.id!r} is in use by {users}; shut it down first.")


def _device_names(image: Image) -> dict[str, str]:
    """What the pages call the devices that have a disk of this image, by initiator name."""
    exports = Export.objects.filter(image=image).select_related("device")
    return {export.initiator_name: str(export.device) for export in exports}
