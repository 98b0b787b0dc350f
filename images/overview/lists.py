"""Lists of images and of the logins to one."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from images.models import Channel, Export, ExportMode, Image, ImageState, Job, Session, Version

SESSIONS_SHOWN = 10


def search_images(*, text: str, state: str) -> QuerySet[Image]:
    """Images by state, and by their name or identifier."""
    rows = Image.objects.all()
    if state in ImageState.values:
        rows = rows.filter(state=state)
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(id__icontains=text.lower()))
    in_use = Session.objects.filter(image=OuterRef("pk"), ended_at=None)
    overlays = Export.objects.filter(image=OuterRef("pk"), mode=ExportMode.OVERLAY)
    writers = Export.objects.filter(mode=ExportMode.EXCLUSIVE).select_related("device")
    return (
        rows.annotate(
            in_use=Exists(in_use),
            version_count=_count(Version.objects.filter(image=OuterRef("pk"))),
            overlay_count=_count(overlays),
        )
        .select_related("node")
        .prefetch_related(
            Prefetch("exports", writers, to_attr="writers"),
            Prefetch("channels", Channel.objects.select_related("version"), to_attr="named"),
            Prefetch("jobs", Job.objects.filter(finished_at=None), to_attr="work"),
        )
        .order_by("name", "id")
    )


def _count(rows: QuerySet[Any]) -> Coalesce:
    """How many there are, without a join that would multiply rows."""
    counted = rows.order_by().values("image").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)


def free_images() -> QuerySet[Image]:
    """Images that can be given to a device: nobody has them for itself, and nothing stands against it."""
    taken = Export.objects.filter(image=OuterRef("pk"), mode=ExportMode.EXCLUSIVE)
    return (
        Image.objects.filter(~Exists(taken))
        .exclude(state__in=[ImageState.DELETING, ImageState.FAILED])
        .order_by("device_type", "name", "id")
    )


def overlay_images() -> QuerySet[Image]:
    """Images that any number of devices can have an overlay of."""
    versions = Version.objects.filter(image=OuterRef("pk"))
    return (
        Image.objects.filter(Exists(versions))
        .exclude(state__in=[ImageState.DELETING, ImageState.FAILED])
        .order_by("device_type", "name", "id")
    )


def open_sessions_of(image: Image) -> list[Session]:
    """Who is logged in to it."""
    return list(Session.objects.filter(image=image, ended_at=None)[:SESSIONS_SHOWN])


def open_sessions_of_disk(export: Export) -> list[Session]:
    """Who is logged in to a device's own disk; other disks of the same image do not count."""
    return list(Session.objects.filter(iqn=export.iqn, ended_at=None)[:SESSIONS_SHOWN])


def past_sessions_of(image: Image) -> list[Session]:
    """Who was, the last first."""
    return list(Session.objects.filter(image=image).exclude(ended_at=None)[:SESSIONS_SHOWN])
