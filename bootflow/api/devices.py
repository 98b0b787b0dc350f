"""REST calls of registered devices."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import Field

from bootflow.editions import edition_of, expect_one_of
from bootflow.models import KernelSet, PiTree, PiTreeState
from bootflow.overview import NONE, SORTS, DeviceFilter, search_devices
from bootflow.raspberry_pi.shown import tree_shown
from bootflow.raspberry_pi.updates import WARNING, cancel_bootloader_update, prepare_bootloader_update
from bootflow.schemas import (
    BootOnceIn,
    DeviceIn,
    DeviceOut,
    DevicePatch,
    DeviceReplace,
    ShownTreeOut,
    UpdateOut,
    device_out,
    pi_tree_out,
)
from bootflow.services import (
    DEFAULT_KERNEL_SET,
    delete_profile,
    register_profile,
    set_boot_once,
    update_profile,
)
from devices.models import Device
from devices.schemas import Text
from devices.services import find_group, get_device
from netboot_site.errors import ValidationError
from netboot_site.formats import parse_mac

router = Router()
_ETAG = re.compile(r'(?:W/)?"([^"]+)"')
_NOT_SEEN = {"state": PiTreeState.WAITING, "names": [], "missing": [], "last_error": ""}


class DeviceQuery(Schema):
    """Which devices a list shows, and in which order."""

    q: Annotated[
        Text, Field(description="Part of the name, serial, group or MAC address, in any spelling.")
    ] = ""
    group: Annotated[Text, Field(description=f"A group's name; `{NONE}`: devices in none.")] = ""
    status: Literal["", "enrolled", "disabled", "active", "booting", "in-use", "failed"] = ""
    device_type: Literal["", "raspi", "x86", "x64"] = ""
    image_id: Annotated[Text, Field(description=f"An image that it has; `{NONE}`: devices without.")] = ""
    sort: Annotated[
        Text,
        Field(
            pattern=f"^(-?({'|'.join(SORTS)}))?$",
            description="With a minus before it: the other way round. What is equal is sorted by name.",
        ),
    ] = "name"

    def chosen(self) -> DeviceFilter:
        """As the search takes it."""
        return DeviceFilter(self.q, self.status, self.device_type, self.group, self.image_id, self.sort)


class DevicePage(DeviceQuery):
    """And how many of them."""

    limit: Annotated[int, Field(ge=0, le=10_000)] = 1000
    offset: Annotated[int, Field(ge=0, le=10_000_000)] = 0


@router.get("/devices", response=list[DeviceOut])
def list_devices(request: HttpRequest, response: HttpResponse, page: Query[DevicePage]) -> list[DeviceOut]:
    """Registered devices by name; `X-Total-Count` tells how many there are in all."""
    rows = search_devices(page.chosen())
    response["X-Total-Count"] = str(rows.count())
    default = default_kernel_set()
    return [
        device_out(device, default) for device in _with_plans(rows)[page.offset : page.offset + page.limit]
    ]


@router.post("/devices", response={201: DeviceOut})
def add_device(request: HttpRequest, body: DeviceIn) -> Status[DeviceOut]:
    """Register a device."""
    device = register_profile(mac=body.mac, **_profile(body.model_dump(exclude={"mac"})))
    return Status(201, shown(device.mac))


@router.get("/devices/{mac}", response=DeviceOut)
def show_device(request: HttpRequest, response: HttpResponse, mac: str) -> DeviceOut:
    """One device; its MAC address in any spelling. `ETag` names what is set for it: see If-Match of PATCH."""
    return _shown_with_tag(response, get_device(mac=mac))


@router.put("/devices/{mac}", response=DeviceOut)
def replace_device(request: HttpRequest, response: HttpResponse, mac: str, body: DeviceReplace) -> DeviceOut:
    """Replace a device: what is left out gets its default. If-Match: see PATCH."""
    device = get_device(mac=mac)
    _check_same_mac(device, body.mac)
    with transaction.atomic():
        _expect_match(request, device)
        update_profile(device=device, **_profile(body.model_dump(exclude={"mac"})))
    return _shown_with_tag(response, device)


@router.patch("/devices/{mac}", response=DeviceOut)
def change_device(request: HttpRequest, response: HttpResponse, mac: str, body: DevicePatch) -> DeviceOut:
    """Change any part of a device. With `If-Match` (an ETag) 412 if somebody changed it since."""
    device = get_device(mac=mac)
    _check_same_mac(device, body.mac)
    with transaction.atomic():
        _expect_match(request, device)
        update_profile(device=device, **_profile(body.model_dump(exclude_unset=True, exclude={"mac"})))
    return _shown_with_tag(response, device)


@router.delete("/devices/{mac}", response={204: None})
def remove_device(request: HttpRequest, mac: str) -> Status[None]:
    """Forget a device and free its disk; refused while the disk is in use. If-Match: see PATCH."""
    device = get_device(mac=mac)
    with transaction.atomic():
        _expect_match(request, device)
        delete_profile(device=device)
    return Status(204, None)


def _expect_match(request: HttpRequest, device: Device) -> None:
    """RFC 9110, section 13.1.1. A weak ETag counts, too: nginx makes ours weak where it compresses."""
    given = request.headers.get("If-Match", "").strip()
    if given and given != "*":
        expect_one_of(device=device, editions=_ETAG.findall(given) or ["unknown"])


def _shown_with_tag(response: HttpResponse, device: Device) -> DeviceOut:
    response["ETag"] = f'"{edition_of(device.mac)}"'
    return shown(device.mac)


@router.put("/devices/{mac}/boot-once", response=DeviceOut)
def choose_next_boot(request: HttpRequest, mac: str, body: BootOnceIn) -> DeviceOut:
    """Let the next boot differ from the plan; spent when that boot reaches its disk or installer."""
    device = get_device(mac=mac)
    set_boot_once(device=device, boot_once=body.action or "", installer=body.installer)
    return shown(device.mac)


@router.get("/devices/{mac}/pi-tree", response=ShownTreeOut)
def show_pi_tree(request: HttpRequest, mac: str) -> ShownTreeOut:
    """What a Raspberry Pi's firmware is served as rows stand now: files, config.txt, cmdline.txt."""
    device = get_device(mac=mac)
    tree = tree_shown(device)
    row = pi_tree_out(PiTree.objects.filter(device=device).first())
    state = row.model_dump() if row else {**_NOT_SEEN, "boots": tree.wanted.boots}
    return ShownTreeOut(
        **state, files=sorted(tree.files), config_txt=tree.config, cmdline_txt=tree.cmdline,
        waits=tree.wanted.waits,
    )  # fmt: skip


@router.put("/devices/{mac}/bootloader-update", response=UpdateOut)
def put_bootloader_update(request: HttpRequest, mac: str) -> UpdateOut:
    """Let a Raspberry Pi rewrite its bootloader at its next boot, from files of its kernel set."""
    files = prepare_bootloader_update(device=get_device(mac=mac))
    return UpdateOut(status="prepared", files=files, warning=WARNING)


@router.delete("/devices/{mac}/bootloader-update", response={204: None})
def remove_bootloader_update(request: HttpRequest, mac: str) -> Status[None]:
    """Take the files back before they were fetched."""
    cancel_bootloader_update(device=get_device(mac=mac))
    return Status(204, None)


def shown(mac: str) -> DeviceOut:
    """A registered device as the API shows it."""
    return device_out(_with_plans(Device.objects.filter(mac=mac)).get(), default_kernel_set())


def default_kernel_set() -> str:
    """What a device without a plan of its own boots with."""
    names = KernelSet.objects.filter(is_default=True).values_list("name", flat=True)
    return names.first() or DEFAULT_KERNEL_SET


def _check_same_mac(device: Device, mac: str | None) -> None:
    if mac is not None and parse_mac(mac) != device.mac:
        raise ValidationError("The MAC address in the body is not the one in the path; it cannot be changed.")


def _profile(values: dict[str, Any]) -> Any:
    """A body's fields as the services take them: a group's name becomes the group."""
    if values.get("group"):
        values["group"] = find_group(name=values["group"])
    elif "group" in values:
        values["group"] = None
    return values


def _with_plans(rows: QuerySet[Device]) -> QuerySet[Device]:
    return rows.select_related("group", "export", "boot_plan", "pi_tree")
