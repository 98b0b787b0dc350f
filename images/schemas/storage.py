"""What the REST calls of storage nodes answer."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from ninja import Schema
from pydantic import AfterValidator, Field

from devices.schemas import without_nul
from images.space import NodeSpace

# Two names of a file system, and a slash between; a byte that is no text is shown as four signs.
OrphanName = Annotated[str, Field(max_length=2048), AfterValidator(without_nul)]


class OrphanOut(Schema):
    """A file or folder on a storage node that belongs to no image."""

    name: str
    bytes: int
    seen_at: datetime
    error: str


class OrphansIn(Schema):
    """Orphans to remove, by the names under which they were found."""

    names: Annotated[list[OrphanName], Field(min_length=1, max_length=1000)]


class RemovingOut(Schema):
    """The answer to their removal, which goes on in the background."""

    status: str
    node: str
    names: list[str]


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
