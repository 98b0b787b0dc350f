"""REST calls that power devices."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema, Status

from devices.services import find_device, wake_device

router = Router()


class WakeOut(Schema):
    """That a device will be woken."""

    status: str
    mac: str
    wake_requested_at: datetime | None


@router.post("/devices/{mac}/wake", response={202: WakeOut})
def wake(request: HttpRequest, mac: str) -> Status[WakeOut]:
    """Send the device the packet that powers it on (Wake-on-LAN), within seconds."""
    device = wake_device(device=find_device(mac=mac))
    return Status(202, WakeOut(status="waking", mac=device.mac, wake_requested_at=device.wake_requested_at))
