"""REST calls of a device's own disk: its overlay, and the changes that it kept of older versions."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router, Schema, Status
from pydantic import Field

from devices.schemas import Text
from devices.services import get_device
from images import services
from images.api.versions import author
from images.overview import DiskWish, disks_shown, search_disks
from images.schemas.disks import DiskOut, disk_out
from images.schemas.numbers import LARGEST_NUMBER
from images.schemas.versions import VersionIn, VersionOut, version_out
from images.waiting import waits_of

router = Router()
KeptNumber = Annotated[
    int, Path(ge=1, le=LARGEST_NUMBER, description="The number under which the disk shows kept changes.")
]


def _shown(mac: str) -> DiskOut:
    device = get_device(mac=mac)
    disk = services.get_disk(device=device)
    return disk_out(disk, services.kept_changes(device=device), waits_of(disk))


class DiskFilter(Schema):
    """Which disks of devices a list shows."""

    q: Text = ""
    image: Text = ""
    node: Text = ""
    state: Literal["", "pending", "ready", "waiting", "paused"] = ""
    mode: Literal["", "exclusive", "overlay"] = ""
    limit: Annotated[int, Field(ge=0, le=10_000)] = 1000
    offset: Annotated[int, Field(ge=0, le=10_000_000)] = 0


@router.get("/disks", response=list[DiskOut])
def list_disks(request: HttpRequest, response: HttpResponse, filters: Query[DiskFilter]) -> list[DiskOut]:
    """The disks that devices have, by the names of the devices; `X-Total-Count` tells how many."""
    rows = search_disks(DiskWish(filters.q, filters.image, filters.node, filters.state, filters.mode))
    response["X-Total-Count"] = str(rows.count())
    page = rows[filters.offset : filters.offset + filters.limit]
    return [disk_out(disk.export, disk.kept, disk.waits) for disk in disks_shown(page)]


@router.get("/devices/{mac}/disk", response=DiskOut)
def show_disk(request: HttpRequest, mac: str) -> DiskOut:
    """A device's disk: what it stands on, how full its overlay is, and what it kept of older versions."""
    return _shown(mac)


@router.post("/devices/{mac}/disk/reset", response=DiskOut)
def reset_disk(request: HttpRequest, mac: str) -> DiskOut:
    """Throw away at once what the device's overlay holds. Refused (409) while the device uses it."""
    services.reset_disk(device=get_device(mac=mac))
    return _shown(mac)


@router.post("/devices/{mac}/disk/merge", response=VersionOut)
def merge_disk(request: HttpRequest, mac: str, body: VersionIn | None = None) -> VersionOut:
    """Turn the device's overlay into the image's next version. Refused (409) while the device uses it."""
    comment = body.comment if body else ""
    version = services.merge_disk(device=get_device(mac=mac), comment=comment, author=author(request))
    return version_out(version, [])


@router.post("/devices/{mac}/disk/kept/{number}/restore", response=DiskOut)
def restore_kept(request: HttpRequest, mac: str, number: KeptNumber) -> DiskOut:
    """Go on with changes that were kept of an older version, and stay on that version."""
    services.restore_kept(device=get_device(mac=mac), layer_number=number)
    return _shown(mac)


@router.delete("/devices/{mac}/disk/kept/{number}", response={204: None})
def discard_kept(request: HttpRequest, mac: str, number: KeptNumber) -> Status[None]:
    """Delete changes that were kept of an older version."""
    services.discard_kept(device=get_device(mac=mac), layer_number=number)
    return Status(204, None)
