"""Lists of images and of the logins to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from images.around import initiator_names
from images.models import Channel, Export, ExportMode, Image, ImageState, Job, Session, Version

SESSIONS_SHOWN = 10


ORDERS = {
    "name": ("name", "id"),
    "-created": ("-created_at", "id"),
    "-size": ("-size_bytes", "name", "id"),
    "-used": (F("observed_used_bytes").desc(nulls_last=True), "name", "id"),
    "state": ("state", "name", "id"),
}


@dataclass(frozen=True, slots=True)
class ImageWish:
    """Which images a list shows, and in which order."""

    text: str = ""
    state: str = ""
    device_type: str = ""
    node: str = ""
    sort: str = "name"


def search_images(wish: ImageWish) -> QuerySet[Image]:
    """Images by state, type and node, and by their name or identifier."""
    rows = Image.objects.all()
    for field in ("state", "device_type", "node"):
        if wanted := getattr(wish, field):
            rows = rows.filter(**{field: wanted})
    if wish.text:
        rows = rows.filter(Q(name__icontains=wish.text) | Q(id__icontains=wish.text.lower()))
    return rows.order_by(*ORDERS.get(wish.sort, ORDERS["name"]))


def with_all_shown(rows: QuerySet[Image]) -> QuerySet[Image]:
    """With all that a list of images tells of them: a fixed number of queries."""
    in_use = Session.objects.filter(image=OuterRef("pk"), ended_at=None)
    overlays = Export.objects.filter(image=OuterRef("pk"), mode=ExportMode.OVERLAY)
    writers = Export.objects.filter(mode=ExportMode.EXCLUSIVE).select_related("device")
    work = Job.objects.filter(finished_at=None).select_related("image", "version")
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
            Prefetch("jobs", work, to_attr="work"),
        )
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


def open_sessions_of_disk(export: Export) -> list[Session]:
    """Who is logged in to a device's own disk; other disks of the same image do not count."""
    return list(Session.objects.filter(iqn=export.iqn, ended_at=None)[:SESSIONS_SHOWN])


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A login with the device behind it; none for a stranger."""

    session: Session
    device: str
    mac: str


def sessions_of(image: Image) -> list[SessionRow]:
    """Who is logged in to it, then who was, the last first. Three queries."""
    rows = Session.objects.filter(image=image)
    found = [*rows.filter(ended_at=None)[:SESSIONS_SHOWN], *rows.exclude(ended_at=None)[:SESSIONS_SHOWN]]
    names = initiator_names(found)
    return [SessionRow(row, *names.get(row.initiator_name, ("", ""))) for row in found]
