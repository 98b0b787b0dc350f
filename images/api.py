"""REST calls of images."""

from __future__ import annotations

import math

from django.http import HttpRequest
from ninja import Router, Status

from devices.services import get_device
from images import content, services
from images.models import ExportMode, Image
from images.schemas import (
    AssignedOut,
    ImageIn,
    ImageOut,
    ResizeIn,
    StatusOut,
    StorageOut,
    image_out,
    storage_out,
)
from images.space import node_spaces
from netboot_site.errors import ValidationError
from netboot_site.formats import GIB

router = Router(tags=["images"])


@router.get("/images", response=list[ImageOut])
def list_images(request: HttpRequest) -> list[ImageOut]:
    """All images, by name."""
    return [image_out(image) for image in Image.objects.prefetch_related("exports__device")]


@router.post("/images", response={201: ImageOut})
def create_image(request: HttpRequest, body: ImageIn) -> Status[ImageOut]:
    """A new, empty disk; its file and its target are there within seconds."""
    image = services.create_image(
        image_id=body.id, name=body.name, size_bytes=_bytes(body.size_gb), device_type=body.device_type
    )
    return Status(201, image_out(image))


@router.get("/images/{image_id}", response=ImageOut)
def get_image(request: HttpRequest, image_id: str) -> ImageOut:
    """One image."""
    return image_out(services.get_image(image_id=image_id))


@router.delete("/images/{image_id}", response={202: StatusOut})
def delete_image(request: HttpRequest, image_id: str) -> Status[StatusOut]:
    """Delete an image that no device has; its files go in the background."""
    services.delete_image(image=services.get_image(image_id=image_id))
    return Status(202, StatusOut(status="deleting", image_id=image_id))


@router.put("/images/{image_id}/assign", response=AssignedOut)
def assign_image(
    request: HttpRequest,
    image_id: str,
    mac: str,
    mode: str = ExportMode.EXCLUSIVE,
    persistence: str | None = None,
    version: str | None = None,
) -> AssignedOut:
    """Give a device its disk."""
    if persistence is not None or version is not None:
        raise ValidationError(
            "`persistence` and `version` belong to overlays, which come with a later version."
        )
    image, device = services.get_image(image_id=image_id), get_device(mac=mac)
    services.assign_image(image=image, device=device, mode=mode)
    return AssignedOut(status="assigned", image_id=image.id, mac=device.mac)


@router.put("/images/{image_id}/unassign", response=StatusOut)
def unassign_image(request: HttpRequest, image_id: str, mac: str | None = None) -> StatusOut:
    """Take the disk from its device."""
    image = services.get_image(image_id=image_id)
    services.unassign_image(image=image, device=get_device(mac=mac) if mac else None)
    return StatusOut(status="unassigned", image_id=image.id)


@router.post("/images/{image_id}/resize", response=ImageOut)
def resize_image(request: HttpRequest, image_id: str, body: ResizeIn) -> ImageOut:
    """Make the disk larger; a device that uses it sees that at its next boot."""
    image = services.get_image(image_id=image_id)
    return image_out(services.resize_image(image=image, size_bytes=_bytes(body.size_gb)))


@router.put(
    "/images/{image_id}/content",
    response={202: ImageOut},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def put_content(request: HttpRequest, image_id: str, sha256: str = "") -> Status[ImageOut]:
    """The bytes of a raw disk as the body; `Content-Range: bytes a-b/total` for pieces and to resume."""
    image = content.receive(
        image_id=image_id,
        stream=request,
        content_length=request.headers.get("Content-Length", ""),
        content_range=request.headers.get("Content-Range", ""),
        sha256=sha256,
    )
    return Status(202, image_out(image))


@router.get("/storage", response=list[StorageOut])
def list_storage(request: HttpRequest) -> list[StorageOut]:
    """What room each storage node has."""
    return [storage_out(space) for space in node_spaces()]


def _bytes(size_gb: float) -> int:
    """As whole bytes. Far above what the service takes it is cut off, before a float overflows."""
    return math.ceil(min(size_gb, 1e9) * GIB)
