"""What the REST calls of images take and answer."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from ninja import Schema
from pydantic import BeforeValidator, Field

from images.models import Export, Image, ImageState
from images.space import NodeSpace
from netboot_site.formats import GIB


def no_boolean(value: Any) -> Any:
    """`true` is 1 to Python; nobody means a disk of 1 GiB by it."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004  # pydantic takes a TypeError for our mistake
    return value


SizeGib = Annotated[float, Field(gt=0, allow_inf_nan=False, description="GiB"), BeforeValidator(no_boolean)]


class ImageIn(Schema):
    """A new image."""

    id: str
    name: str
    size_gb: SizeGib
    device_type: str
    created_at: Any = None  # older clients send it; it is ours to say


class ResizeIn(Schema):
    """A larger size."""

    size_gb: SizeGib


class ImageOut(Schema):
    """An image. `size_gb` is GiB, `progress` that of its upload."""

    id: str
    name: str
    size_gb: int | float
    device_type: str
    assigned_to: str | None
    created_at: datetime
    state: str
    size_bytes: int
    used_bytes: int | None
    iqn: str
    versions: list[Any]
    progress: float
    received_bytes: int | None
    total_bytes: int | None
    last_error: str


class AssignedOut(Schema):
    """The answer to assign."""

    status: str
    image_id: str
    mac: str


class StatusOut(Schema):
    """The answer to unassign and to delete."""

    status: str
    image_id: str


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


def image_out(image: Image) -> ImageOut:
    """An image whose exports and their devices have been fetched."""
    exports: list[Export] = list(image.exports.all())
    return ImageOut(
        id=image.id,
        name=image.name,
        size_gb=size_gib(image.size_bytes),
        device_type=image.device_type,
        assigned_to=exports[0].device.mac if exports else None,
        created_at=image.created_at,
        state=image.state,
        size_bytes=image.size_bytes,
        used_bytes=image.observed_used_bytes,
        iqn=image.iqn,
        versions=[],
        progress=progress(image),
        received_bytes=image.upload_received_bytes,
        total_bytes=image.upload_total_bytes,
        last_error=image.last_error,
    )


def size_gib(size_bytes: int) -> int | float:
    """GiB as they were given: whole ones as an integer, others without the sector's padding."""
    whole, rest = divmod(size_bytes, GIB)
    return round(size_bytes / GIB, 6) if rest else whole


def progress(image: Image) -> float:
    """Of the upload, if there is one that is not complete; else whether the disk is there."""
    if image.upload_total_bytes:
        return round((image.upload_received_bytes or 0) / image.upload_total_bytes, 4)
    return 0.0 if image.state == ImageState.CREATING else 1.0


def storage_out(space: NodeSpace) -> StorageOut:
    """A node's room."""
    return StorageOut(**asdict(space), overcommit_ratio=space.overcommit_ratio)
