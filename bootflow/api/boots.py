"""REST calls of boots, and the check-in as the API's page documents it."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from bootflow.firmware import answer_check_in, view
from bootflow.models import Boot
from bootflow.schemas import BootOut, boot_out
from devices.services import get_device

router = Router()
Limit = Annotated[int, Query(ge=0, le=1000)]


@router.get("/boot/check-in", auth=None, response={200: dict[str, Any], 422: dict[str, Any]})
def check_in(request: HttpRequest, mac: str = "", device_type: str = "") -> HttpResponse:
    """What this machine would boot now. Open, recorded, and without any secret."""
    return view(answer_check_in)(request)


@router.get("/boots", response=list[BootOut])
def list_boots(request: HttpRequest, limit: Limit = 50) -> list[BootOut]:
    """Boots of all devices, newest first."""
    return [boot_out(boot) for boot in Boot.objects.prefetch_related("events")[:limit]]


@router.get("/devices/{mac}/boots", response=list[BootOut])
def list_boots_of_device(request: HttpRequest, mac: str, limit: Limit = 50) -> list[BootOut]:
    """Boots of one device, newest first."""
    device = get_device(mac=mac)
    rows = Boot.objects.filter(mac=device.mac).prefetch_related("events")
    return [boot_out(boot) for boot in rows[:limit]]
