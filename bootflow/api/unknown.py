"""REST calls of devices that asked to boot and that nobody has approved."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Status

from bootflow.api.devices import shown
from bootflow.schemas import ApproveIn, DeviceOut, UnknownDeviceOut
from bootflow.services import approve_device, forget_discovered, heed_device, ignore_device
from devices.models import Device
from devices.services import find_group

router = Router()


@router.get("/unknown-devices", response=list[UnknownDeviceOut])
def list_unknown_devices(
    request: HttpRequest,
    response: HttpResponse,
    limit: Annotated[int, Query(ge=0, le=10_000)] = 1000,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ignored: bool = False,
) -> list[Device]:
    """Devices that asked to boot and are not enrolled, the last seen first; or those that are ignored."""
    rows = Device.objects.ignored() if ignored else Device.objects.discovered()
    rows = rows.order_by("-last_seen_at", "mac")
    response["X-Total-Count"] = str(rows.count())
    return list(rows[offset : offset + limit])


@router.post("/unknown-devices/{mac}/approve", response=DeviceOut)
def approve_unknown_device(request: HttpRequest, mac: str, body: ApproveIn | None = None) -> DeviceOut:
    """Enroll a device; if it waits at its console, it boots within seconds."""
    wanted = body or ApproveIn()
    device = approve_device(
        mac=mac,
        name=wanted.name,
        device_type=wanted.device_type,
        group=find_group(name=wanted.group) if wanted.group else None,
        image_id=wanted.image_id,
    )
    return shown(device.mac)


@router.put("/unknown-devices/{mac}/ignored", response=UnknownDeviceOut)
def ignore_unknown_device(request: HttpRequest, mac: str) -> Device:
    """Leave a device out of every list for good; it goes to its local disk without waiting for anybody."""
    return ignore_device(mac=mac)


@router.delete("/unknown-devices/{mac}/ignored", response={204: None})
def heed_unknown_device(request: HttpRequest, mac: str) -> Status[None]:
    """Take an ignored device back: it waits for approval again."""
    heed_device(mac=mac)
    return Status(204, None)


@router.delete("/unknown-devices/{mac}", response={204: None})
def remove_unknown_device(request: HttpRequest, mac: str) -> Status[None]:
    """Drop an unknown device; it comes back when it asks again."""
    forget_discovered(mac=mac)
    return Status(204, None)
