"""What pages read of images and disks; each function is a fixed number of queries, whatever the rows."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from images.models import Export, ExportMode, Image, ImageState, Session
from images.space import node_spaces

SESSIONS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class StorageTotals:
    """The storage of all nodes together, in bytes."""

    capacity: int
    used: int
    free: int
    promised: int
    image_count: int
    failed_count: int
    open_sessions: int

    @property
    def other(self) -> int:
        """What other files take of the same disks."""
        return max(0, self.capacity - self.used - self.free)

    def percent(self, count: int) -> float:
        """A share of the capacity for a drawing."""
        return round(min(100.0, 100 * count / self.capacity), 2) if self.capacity else 0.0

    @property
    def used_percent(self) -> float:
        """What our images take."""
        return self.percent(self.used)

    @property
    def other_percent(self) -> float:
        """What everything else takes."""
        return self.percent(self.other)

    @property
    def overcommit(self) -> float:
        """What is promised over what there is for it (images.space): above 1 the disks could outgrow it."""
        room = self.used + self.free
        return self.promised / room if room else 0.0


def storage_totals() -> StorageTotals:
    """Capacity, use and promise over all storage nodes."""
    nodes = node_spaces()
    images = Image.objects.aggregate(count=Count("pk"), failed=Count("pk", filter=Q(state=ImageState.FAILED)))
    return StorageTotals(
        capacity=sum(node.capacity_bytes or 0 for node in nodes),
        used=sum(node.used_bytes or 0 for node in nodes),
        free=sum(node.free_bytes or 0 for node in nodes),
        promised=sum(node.committed_bytes for node in nodes),
        image_count=images["count"],
        failed_count=images["failed"],
        open_sessions=Session.objects.filter(ended_at=None).values("initiator_name").distinct().count(),
    )


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
