"""Pages of devices: the list, and one device with all that can be done to it."""

from __future__ import annotations

from typing import Any

from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString

from bootflow.forms import AdditionForm, AssignForm, BootOnceForm, EditForm
from bootflow.models import Boot
from bootflow.outlook import outlook_of
from bootflow.overview import named, tracked
from bootflow.pi_overview import pi_of, with_notes
from bootflow.raspberry_pi.advice import advice_of
from devices.models import Device, DeviceState
from images.overview import disk_of, open_sessions_of_disk
from netboot_site.errors import ValidationError
from netboot_site.formats import parse_mac
from netboot_site.pages import live_answer, live_fragment
from netboot_site.roles import may_write

BOOTS_SHOWN = 8
FACTS_SHOWN = {
    "model": "Model", "board_revision": "Board revision", "memory_mib": "Memory (MiB)",
    "memory": "Memory (MiB)",
    "manufacturer": "Manufacturer", "product": "Product", "asset": "Asset tag", "uuid": "UUID",
    "bootloader": "Bootloader", "platform": "Firmware interface", "version": "Loader",
}  # fmt: skip


def device_detail(request: HttpRequest, mac: str) -> HttpResponse:
    """One device: what it is, what it will boot and why, what it did."""
    return detail_page(request, find_device(mac))


def device_live(request: HttpRequest, mac: str) -> HttpResponse:
    """The part of it that changes by itself."""
    return live_answer(request, _fragment(request, find_device(mac)))


def find_device(mac: str) -> Device:
    """The device of an address in any spelling, with all that its page shows; 404 without one."""
    try:
        spelling = parse_mac(mac)
    except ValidationError as error:
        raise Http404(str(error)) from error
    rows = Device.objects.select_related(
        "group",
        "export__image__node",
        "export__layer__base_version",
        "boot_plan__kernel_set",
        "boot_plan__boot_once_installer",
        "pi_tree",
    )
    device = rows.filter(mac=spelling).first()
    if device is None:
        raise Http404(f"No device has the MAC address {spelling}.")
    return device


def detail_page(request: HttpRequest, device: Device, *, status: int = 200, **refused: Form) -> HttpResponse:
    """The page; a form that was refused stands there with its errors and the person's input."""
    context: dict[str, Any] = {"device": device, "live": _fragment(request, device), "facts": _facts(device)}
    context |= {"pi": pi_of(device), "advice": advice_of(device)}
    if may_write(request.user) and device.state != DeviceState.DISCOVERED:
        context.update(_forms(device) | refused)
    return render(request, "devices/detail.html", context, status=status)


def _forms(device: Device) -> dict[str, Form]:
    plan = getattr(device, "boot_plan", None)
    once = plan.boot_once if plan else ""
    if plan and plan.boot_once_installer_id:
        once = f"installer:{plan.boot_once_installer_id}"
    return {
        "edit_form": EditForm.of(device),
        "assign_form": AssignForm(device_type=device.device_type),
        "addition_form": AdditionForm(),
        "once_form": BootOnceForm(device_type=device.device_type, initial={"choice": once}),
    }


def _facts(device: Device) -> list[tuple[str, str]]:
    shown = {key: value for key, value in device.facts.items() if value and key in FACTS_SHOWN}
    if "model" in shown:  # a Pi's product is its model
        shown.pop("product", None)
    return [(label, shown[key]) for key, label in FACTS_SHOWN.items() if key in shown]


def _note(device: Device) -> str:
    """Why a Pi that waits for approval shows no code."""
    return with_notes([device])[0][1] if device.state == DeviceState.DISCOVERED else ""


def _fragment(request: HttpRequest, device: Device) -> SafeString:
    boots = tracked(named(Boot.objects.filter(mac=device.mac))[:BOOTS_SHOWN])
    export = getattr(device, "export", None)
    context = {
        "device": device, "export": export, "disk": disk_of(export) if export else None,
        "outlook": outlook_of(device), "rows": boots, "pi": pi_of(device),
        "note": _note(device),
        "may_write": may_write(request.user),
        "running": next((item for item in boots if item.boot.finished_at is None), None),
        "sessions": open_sessions_of_disk(export) if export else [],
    }  # fmt: skip
    return live_fragment(request, "devices/live.html", context, url=f"/devices/{device.mac}/live/")
