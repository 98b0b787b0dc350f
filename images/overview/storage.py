"""What room there is, and what takes it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from images.models import Image, ImageState
from images.space import NodeSpace, node_spaces


@dataclass(frozen=True, slots=True)
class StorageTotals:
    """The storage of all nodes together, in bytes."""

    capacity: int
    used: int
    free: int
    promised: int
    image_count: int
    importing_count: int
    failed_count: int
    nodes: tuple[NodeSpace, ...]

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
    images = Image.objects.aggregate(
        count=Count("pk"),
        importing=Count("pk", filter=Q(state=ImageState.IMPORTING)),
        failed=Count("pk", filter=Q(state=ImageState.FAILED)),
    )
    return StorageTotals(
        capacity=sum(node.capacity_bytes or 0 for node in nodes),
        used=sum(node.used_bytes or 0 for node in nodes),
        free=sum(node.free_bytes or 0 for node in nodes),
        promised=sum(node.committed_bytes for node in nodes),
        image_count=images["count"],
        importing_count=images["importing"],
        failed_count=images["failed"],
        nodes=tuple(nodes),
    )
