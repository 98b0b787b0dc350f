"""REST calls of devices that asked to boot and that nobody has approved."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import Field

from bootflow.api.devices import shown
from bootflow.enrolling import APPROVED, MACHINES_MAX, REFUSED, Fate, Plan, Wish, enroll, plan_of
from bootflow.schemas import ApproveIn, DeviceOut, Mac, Type, UnknownDeviceOut
from bootflow.services import approve_device, forget_discovered, heed_device, ignore_device
from devices.models import Device
from devices.naming import NUMBER_MAX, parse_pattern
from devices.schemas import Text
from devices.services import find_group
from netboot_site.formats import parse_mac

router = Router()


class EnrollIn(Schema):
    """How several unknown devices are enrolled; what is left out is what each told of itself."""

    macs: Annotated[list[Mac], Field(min_length=1, max_length=MACHINES_MAX)]
    name: Annotated[
        Text | None,
        Field(description="A pattern like `lab1-{n:02}`: `{n}` is the number. Taken names are skipped."),
    ] = None
    start: Annotated[int, Field(ge=0, le=NUMBER_MAX)] = 1
    order: Annotated[
        Literal["given", "seen", "mac"],
        Field(
            description="In which order they are numbered: as `macs` has them, by first sight, by address."
        ),
    ] = "given"
    device_type: Type | None = None
    group: Text | None = None
    image_id: Text | None = None
    mode: Literal["exclusive", "overlay"] = "exclusive"
    boot_once: Literal["", "local", "menu", "installer"] | None = None
    installer: Text | None = None
    dry_run: bool = False


class FateOut(Schema):
    """What became of a device: `approved`, `refused` with the reason, or, of a dry run, `ready`."""

    mac: str
    code: str
    name: str
    device_type: str
    fate: Literal["ready", "approved", "refused"]
    reason: str


class EnrollOut(Schema):
    """Each device's fate, and what those that are approved have in common."""

    dry_run: bool
    approved: int
    refused: int
    skipped_names: list[str]
    group: str | None
    image_id: str | None
    mode: str | None
    boot_once: str | None
    installer: str | None
    devices: list[FateOut]


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


@router.post("/unknown-devices/approve", response=EnrollOut)
def approve_unknown_devices(request: HttpRequest, body: EnrollIn) -> EnrollOut:
    """Enroll many devices; each one's fate is told, and one that is refused stops no other."""
    plan = plan_of(_wish(body))
    return _enroll_out(plan, plan.fates if body.dry_run else enroll(plan), dry_run=body.dry_run)


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
        mode=wanted.mode,
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


def _wish(body: EnrollIn) -> Wish:
    """A name or group that is given is meant. Raises ValidationError."""
    if body.name is not None:
        parse_pattern(body.name)
    installer = body.installer or ""
    return Wish(
        macs=tuple(parse_mac(mac) for mac in body.macs), pattern=body.name or "", start=body.start,
        order=body.order, device_type=body.device_type or "",
        group=find_group(name=body.group).name if body.group else "", image_id=body.image_id or "",
        mode=body.mode, boot_once=body.boot_once or ("installer" if installer else ""), installer=installer,
    )  # fmt: skip


def _enroll_out(plan: Plan, fates: list[Fate], *, dry_run: bool) -> EnrollOut:
    wish, count = plan.wish, [fate.fate for fate in fates].count
    return EnrollOut(
        dry_run=dry_run, approved=count(APPROVED), refused=count(REFUSED), skipped_names=plan.skipped,
        group=wish.group or None, image_id=wish.image_id or None,
        mode=wish.mode if wish.image_id else None, boot_once=wish.boot_once or None,
        installer=wish.installer or None, devices=[FateOut.from_orm(fate) for fate in fates],
    )  # fmt: skip
