"""How much room storage nodes have, how much of it is taken, and how much is promised.

Committed bytes are what the files of a node may grow to without anything new being started: a layer that is
written counts with its disk's size, however little it holds now; one that does not change any more counts
with what its blocks take. Disks are sparse, so a node may have promised more than it has: its overcommit
ratio, what is promised over what there is for it, is then above 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    F,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Greatest

from images.models import Image, Layer, LayerState, StorageNode
from netboot_site.formats import GIB

_NOTHING = Value(0, output_field=BigIntegerField())
_TAKEN = Coalesce("observed_used_bytes", _NOTHING)
_COMMITTED = Case(
    When(state=LayerState.DELETING, then=_TAKEN),
    When(observed_frozen_at=None, then=Greatest("size_bytes", _TAKEN)),
    default=Coalesce("observed_used_bytes", "size_bytes"),
    output_field=BigIntegerField(),
)


@dataclass(frozen=True, slots=True)
class NodeSpace:
    """The room of one storage node, as its worker last saw it; None where it has not looked yet."""

    name: str
    portal: str
    capacity_bytes: int | None
    free_bytes: int | None
    used_bytes: int | None
    committed_bytes: int
    reserve_bytes: int | None
    short_of_room: bool
    image_count: int
    target_server: str
    observed_at: datetime | None
    last_error: str
    orphans: list[dict[str, Any]]

    @property
    def overcommit_ratio(self) -> float | None:
        """Above 1 the disks could outgrow what there is for them."""
        room = (self.used_bytes or 0) + (self.free_bytes or 0)
        return round(self.committed_bytes / room, 3) if room else None


def node_spaces() -> list[NodeSpace]:
    """Every storage node's room: one query."""
    images = Image.objects.filter(node=OuterRef("pk")).order_by().values("node")
    layers = Layer.objects.filter(image__node=OuterRef("pk")).order_by().values("image__node")
    nodes = StorageNode.objects.annotate(
        image_count=Coalesce(Subquery(images.annotate(n=Count("pk")).values("n")), 0),
        committed_bytes=Coalesce(Subquery(layers.annotate(total=_total()).values("total")), _NOTHING),
    )
    return [_space(node, node.committed_bytes, node.image_count) for node in nodes]


def _total() -> Sum:
    return Sum(_COMMITTED, output_field=BigIntegerField())


def _space(node: StorageNode, committed_bytes: int, image_count: int) -> NodeSpace:
    return NodeSpace(
        name=node.name,
        portal=node.portal,
        capacity_bytes=node.observed_capacity_bytes,
        free_bytes=node.observed_free_bytes,
        used_bytes=node.observed_used_bytes,
        committed_bytes=committed_bytes,
        reserve_bytes=node.observed_reserve_bytes,
        short_of_room=node.is_short_of_room,
        image_count=image_count,
        target_server=node.observed_target_server,
        observed_at=node.observed_at,
        last_error=node.last_error,
        orphans=node.observed_orphans,
    )


def short_nodes() -> QuerySet[StorageNode]:
    """Nodes on which nothing new is started."""
    return StorageNode.objects.filter(observed_free_bytes__lt=F("observed_reserve_bytes"))


def shortage(node: StorageNode) -> str:
    """What every page and /health say of such a node."""
    free, reserve = node.observed_free_bytes or 0, node.observed_reserve_bytes or 0
    return (
        f"The storage node {node.name} is short of room: {free / GIB:.2f} GiB are left, and below "
        f"{reserve / GIB:.2f} GiB nothing new is started there. Delete something or add a disk."
    )
