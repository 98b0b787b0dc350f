"""Lists of images and of the logins to one."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from images.models import Export, ExportMode, Image, ImageState, Session

SESSIONS_SHOWN = 10


def search_images(*, text: str, state: str) -> QuerySet[Image]:
    """Images by state, and by their name or identifier."""
    rows = Image.objects.all()
    if state in ImageState.values:
        rows = rows.filter(state=state)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(id__icontains=text.lower()))
    in_use = Session.objects.filter(image=OuterRef("pk"), ended_at=None)
    return (
        rows.annotate(in_use=Exists(in_use))
        .select_related("node")
        .prefetch_related("exports__device")
        .order_by("name", "id")
    )


def free_images() -> QuerySet[Image]:
    """Images that can be given to a device: nobody has them for itself, and nothing stands against it."""
    taken = Export.objects.filter(image=OuterRef("pk"), mode=ExportMode.EXCLUSIVE)
    return (
        Image.objects.filter(~Exists(taken))
        .exclude(state__in=[ImageState.DELETING, ImageState.FAILED])
        .order_by("device_type", "name", "id")
    )


def open_sessions_of(image: Image) -> list[Session]:
    """Who is logged in to it."""
    return list(Session.objects.filter(image=image, ended_at=None)[:SESSIONS_SHOWN])


def past_sessions_of(image: Image) -> list[Session]:
    """Who was, the last first."""
    return list(Session.objects.filter(image=image).exclude(ended_at=None)[:SESSIONS_SHOWN])
