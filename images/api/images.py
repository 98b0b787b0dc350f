"""REST calls of images."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Query, Router, Schema, Status
from pydantic import Field

from devices.schemas import Text
from devices.services import get_device
from images import content, services
from images.around import look_around
from images.models import ExportMode, ImageState
from images.outgoing.answer import answer
from images.overview import ImageWish, search_images
from images.schemas.images import (
    AssignedOut,
    ImageIn,
    ImageOut,
    ResizeIn,
    StatusOut,
    image_out,
    shown_images,
)
from images.schemas.numbers import LARGEST_NUMBER
from netboot_site.formats import GIB
from netboot_site.history import ChangeOut, history_of

router = Router()
Mode = Annotated[
    str, Query(description="`exclusive`: the device writes the image's head. `overlay`: its own.")
]
PersistenceOf = Annotated[
    str | None, Query(description="Of an overlay: `keep` its changes, or `reset` them at each boot.")
]
VersionOf = Annotated[
    str | None,
    Query(
        description="Of an overlay: a number, `latest`, `test` or `production`; "
        "empty, or left out at first: the channel of the device or its group, else the latest."
    ),
]

Limit = Annotated[int, Query(ge=0, le=1000)]
_FILE = {
    "responses": {
        200: {
            "description": "The disk as a file.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    }
}


def shown(image_id: str) -> ImageOut:
    """An image as the API shows it, read afresh."""
    services.get_image(image_id=image_id)
    return image_out(shown_images().get(pk=image_id), look_around([image_id]))


class ImageFilter(Schema):
    """Which images a list shows, and in which order."""

    q: Text = ""
    state: Literal["", "creating", "importing", "ready", "failed", "deleting"] = ""
    device_type: Literal["", "raspi", "x86", "x64"] = ""
    node: Text = ""
    sort: Literal["name", "-created", "-size", "-used", "state"] = "name"
    limit: Annotated[int, Field(ge=0, le=10_000)] = 10_000
    offset: Annotated[int, Field(ge=0, le=10_000_000)] = 0


@router.get("/images", response=list[ImageOut])
def list_images(request: HttpRequest, response: HttpResponse, filters: Query[ImageFilter]) -> list[ImageOut]:
    """Images by name; `X-Total-Count` tells how many there are in all."""
    wish = ImageWish(filters.q, filters.state, filters.device_type, filters.node, filters.sort)
    rows, around = search_images(wish), look_around()
    response["X-Total-Count"] = str(rows.count())
    page = shown_images(rows)[filters.offset : filters.offset + filters.limit]
    return [image_out(image, around) for image in page]


@router.post("/images", response={201: ImageOut})
def create_image(request: HttpRequest, body: ImageIn) -> Status[ImageOut]:
    """A new, empty disk; its file and its target are there within seconds."""
    image = services.create_image(
        image_id=body.id, name=body.name, size_bytes=_bytes(body.size_gb), device_type=body.device_type,
        node=body.node,
    )  # fmt: skip
    return Status(201, shown(image.pk))


@router.get("/images/{image_id}", response=ImageOut)
def get_image(request: HttpRequest, image_id: str) -> ImageOut:
    """One image, with its versions, channels, exports and work in progress."""
    return shown(image_id)


@router.get("/images/{image_id}/history", response=list[ChangeOut])
def list_changes(request: HttpRequest, image_id: str, limit: Limit = 100) -> list[ChangeOut]:
    """Who changed what of an image, the newest first; also of one that is gone."""
    found = history_of("image", image_id.replace("\0", ""), limit=limit)
    if not found:
        services.get_image(image_id=image_id)
    return found


@router.delete("/images/{image_id}", response={202: StatusOut})
def delete_image(request: HttpRequest, image_id: str) -> Status[StatusOut]:
    """Delete an image that no device has and no clone stands on; its files go in the background."""
    services.delete_image(image=services.get_image(image_id=image_id))
    return Status(202, StatusOut(status="deleting", image_id=image_id))


@router.put("/images/{image_id}/assign", response=AssignedOut)
def assign_image(
    request: HttpRequest,
    image_id: str,
    mac: str,
    mode: Mode = ExportMode.EXCLUSIVE,
    persistence: PersistenceOf = None,
    version: VersionOf = None,
) -> AssignedOut:
    """Give a device its disk; or change an overlay's persistence or version, which count at its next boot."""
    image, device = services.get_image(image_id=image_id), get_device(mac=mac)
    services.assign_image(image=image, device=device, mode=mode, persistence=persistence, version=version)
    return AssignedOut(status="assigned", image_id=image.id, mac=device.mac)


@router.put("/images/{image_id}/unassign", response=StatusOut)
def unassign_image(request: HttpRequest, image_id: str, mac: str | None = None) -> StatusOut:
    """Take the disk from its device; what an overlay holds goes. `mac` is needed where several have one."""
    image = services.get_image(image_id=image_id)
    services.unassign_image(image=image, device=get_device(mac=mac) if mac else None)
    return StatusOut(status="unassigned", image_id=image.id)


@router.post("/images/{image_id}/resize", response={200: ImageOut, 202: ImageOut})
def resize_image(request: HttpRequest, image_id: str, body: ResizeIn) -> Status[ImageOut]:
    """Make the disk larger; 202 while its device has to log out first, which sees it at its next boot."""
    image = services.get_image(image_id=image_id)
    row = services.resize_image(image=image, size_bytes=_bytes(body.size_gb))
    waits = row.state == ImageState.READY and services.head_in_use(image=row)
    return Status(202 if waits else 200, shown(row.pk))


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
    """A disk as the body: raw, qcow2, vmdk, vhdx, vhd, vdi, or a raw one in xz, gzip, zstd or zip.

    `Content-Range: bytes a-b/total` sends it in pieces and resumes. What needs all its bytes is made
    into the disk by a job, when all is there. `sha256` is that of the bytes as they are sent.
    """
    image = content.receive(
        image_id=image_id,
        stream=request,
        content_length=request.headers.get("Content-Length", ""),
        content_range=request.headers.get("Content-Range", ""),
        sha256=sha256,
    )
    return Status(202, shown(image.pk))


@router.api_operation(["GET", "HEAD"], "/images/{image_id}/content", openapi_extra=_FILE)
def get_content(
    request: HttpRequest,
    image_id: str,
    version: Annotated[int | None, Query(ge=1, le=LARGEST_NUMBER, description="None: the head.")] = None,
    format: Literal["raw", "qcow2", "zst"] = "raw",  # the query's promised name
) -> HttpResponseBase:
    """A version, or the head while nothing uses it (409), as a file; a raw one also in parts (`Range`)."""
    image = services.get_image(image_id=image_id)
    return answer(request, image=image, number=version, file_format=format)


def _bytes(size_gb: float) -> int:
    """As whole bytes. Far above what the service takes it is cut off, before a float overflows."""
    return math.ceil(min(size_gb, 1e9) * GIB)
