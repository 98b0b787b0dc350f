"""What the REST calls of storage nodes answer."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from ninja import Schema

from images.space import NodeSpace


class OrphanOut(Schema):
    """A file or folder on a storage node that belongs to no image."""

    name: str
    bytes: int
    seen_at: datetime


class StorageOut(Schema):
    """A storage node. Disks are sparse: `committed_bytes` is what they may grow to.

    Below `reserve_bytes` of free room nothing new is started. `overcommit_ratio` is `committed_bytes` over
    `used_bytes` + `free_bytes`: above 1 the disks could outgrow what there is.
    """

    name: str
    portal: str
    capacity_bytes: int | None
    free_bytes: int | None
    used_bytes: int | None
    committed_bytes: int
    overcommit_ratio: float | None
    reserve_bytes: int | None
    short_of_room: bool
    image_count: int
    target_server: str
    observed_at: datetime | None
    last_error: str
    orphans: list[OrphanOut]


def storage_out(space: NodeSpace) -> StorageOut:
    """A node's room."""
    return StorageOut(**asdict(space), overcommit_ratio=space.overcommit_ratio)
