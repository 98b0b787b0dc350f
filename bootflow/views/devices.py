"""The page of one device: its tabs, and the parts of them that change by themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString

from bootflow.editions import edition_of, expect_edition
from bootflow.forms import AdditionForm, AssignForm, BootOnceForm, EditForm
from bootflow.identity import leased_address
from bootflow.models import Boot
from bootflow.outlook import outlook_for, outlook_of, situation_of
from bootflow.overview import named, tracked
from bootflow.pi_overview import pi_of, with_notes
from bootflow.preview import preview_of
from bootflow.raspberry_pi.advice import advice_of
from bootflow.usual import usual_of_devices, usual_of_model
from devices.models import Device, DeviceState
from images.overview import disk_of, open_sessions_of_disk
from images.waiting import waits_of
from netboot_site import journal
from netboot_site.errors import ValidationError
from netboot_site.formats import parse_mac
from netboot_site.pages import asked, live_answer, live_fragment, page_of
from netboot_site.roles import may_write

BOOTS_SHOWN = 5
FACTS_SHOWN = {
    "model": "Model", "board_revision": "Board revision", "memory_mib": "Memory (MiB)",
    "memory": "Memory (MiB)",
    "manufacturer": "Manufacturer", "product": "Product", "asset": "Asset tag", "uuid": "UUID",
    "bootloader": "Bootloader", "platform": "Firmware interface", "version": "Loader",
}  # fmt: skip


def device_detail(request: HttpRequest, mac: str, tab: str = "") -> HttpResponse:
    """One device: how it stands and its next boot; or one of its other tabs."""
    return detail_page(request, find_device(mac), tab=tab)


def device_live(request: HttpRequest, mac: str) -> HttpResponse:
    """The part of a tab that changes by itself."""
    tab = asked(request, "tab")
    if tab not in LIVE:
        raise Http404("This part of the page does not change by itself.")
    return live_answer(request, _fragment(request, find_device(mac), tab))


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


def detail_page(
    request: HttpRequest, device: Device, *, tab: str = "", status: int = 200, **refused: Form
) -> HttpResponse:
    """A tab of the page; a form that was refused stands there with its errors and the person's input."""
    context: dict[str, Any] = {"device": device, "tab": tab, "tabs": tabs_of(device), "pi": pi_of(device)}
    if tab in LIVE:
        context["live"] = _fragment(request, device, tab)
    context |= MORE[tab](request, device) if tab in MORE else {}
    if may_write(request.user) and device.state != DeviceState.DISCOVERED:
        context["edition"] = edition_of(device.mac)
        context.update(_forms(device, tab) | refused)
    return render(request, f"devices/{TEMPLATES[tab]}.html", context, status=status)


def tabs_of(device: Device) -> list[tuple[str, str, str]]:
    """Each tab's name, label and address."""
    base = f"/devices/{device.mac}/"
    return [(tab, label, f"{base}{tab}/" if tab else base) for tab, label in TABS]


def guarded(request: HttpRequest, device: Device, change: Callable[[], object]) -> Callable[[], object]:
    """A change that is refused if the device is no longer as the sent form's page showed it."""

    def carry_out() -> object:
        with transaction.atomic():
            expect_edition(device=device, edition=request.POST.get("edition", ""))
            return change()

    return carry_out


def _forms(device: Device, tab: str) -> dict[str, Form]:
    if tab == "disk":
        return {"assign_form": AssignForm(device_type=device.device_type)}
    if tab == "identity":
        return {"edit_form": EditForm.of(device)}
    if tab == "preview":
        return {"addition_form": AdditionForm()}
    if tab:
        return {}
    plan = getattr(device, "boot_plan", None)
    once = plan.boot_once if plan else ""
    if plan and plan.boot_once_installer_id:
        once = f"installer:{plan.boot_once_installer_id}"
    planned = replace(situation_of(device), boot_once="")
    why = outlook_for(device, planned).why
    form = BootOnceForm(device_type=device.device_type, as_planned=why, initial={"choice": once})
    return {"once_form": form}


def _facts(device: Device) -> list[tuple[str, str]]:
    shown = {key: value for key, value in device.facts.items() if value and key in FACTS_SHOWN}
    if "model" in shown:  # a Pi's product is its model
        shown.pop("product", None)
    return [(label, shown[key]) for key, label in FACTS_SHOWN.items() if key in shown]


def _note(device: Device) -> str:
    """Why a Pi that waits for approval shows no code."""
    return with_notes([device])[0][1] if device.state == DeviceState.DISCOVERED else ""


def _fragment(request: HttpRequest, device: Device, tab: str) -> SafeString:
    context = {"device": device, "pi": pi_of(device), "may_write": may_write(request.user)}
    url = f"/devices/{device.mac}/live/?tab={tab}"
    return live_fragment(request, f"devices/{LIVE[tab][0]}.html", context | LIVE[tab][1](device), url=url)


def _now(device: Device) -> dict[str, Any]:
    export = getattr(device, "export", None)
    boots = tracked(named(Boot.objects.filter(mac=device.mac))[:BOOTS_SHOWN])
    return {
        "export": export, "outlook": outlook_of(device), "note": _note(device), "rows": boots,
        "running": next((item for item in boots if item.boot.finished_at is None), None),
        "sessions": open_sessions_of_disk(export) if export else [],
        "usual": usual_of_devices([device.mac]).get(device.mac),
    }  # fmt: skip


def _disk(device: Device) -> dict[str, Any]:
    export = getattr(device, "export", None)
    if export is None:
        return {}
    return {
        "export": export, "disk": disk_of(export), "waits": waits_of(export),
        "sessions": open_sessions_of_disk(export),
    }  # fmt: skip


def _power(device: Device) -> dict[str, Any]:
    asked_at, woken_at = device.wake_requested_at, device.observed_woken_at
    waits = asked_at is not None and (woken_at is None or woken_at < asked_at)
    return {"waits": waits and not device.observed_wake_error}


def _advice(request: HttpRequest, device: Device) -> dict[str, Any]:
    return {"advice": advice_of(device)}


def _boots(request: HttpRequest, device: Device) -> dict[str, Any]:
    page = page_of(request, named(Boot.objects.filter(mac=device.mac)))
    usual = usual_of_devices([device.mac]).get(device.mac)
    return {"page": page, "rows": tracked(page), "usual": usual, "model_usual": usual_of_model(device)}


def _identity(request: HttpRequest, device: Device) -> dict[str, Any]:
    return {"facts": _facts(device), "address": leased_address(device.mac)}


def _preview(request: HttpRequest, device: Device) -> dict[str, Any]:
    return {"preview": preview_of(device)}


def _history(request: HttpRequest, device: Device) -> dict[str, Any]:
    return {"page": page_of(request, journal.changes_of("device", device.mac))}


TABS = [
    ("", "Overview"), ("boots", "Boots"), ("disk", "Disk and overlay"), ("identity", "Network and identity"),
    ("power", "Power"), ("preview", "Configuration"), ("history", "History"),
]  # fmt: skip
TEMPLATES = {tab: f"tab_{tab or 'overview'}" for tab, _ in TABS}
LIVE: dict[str, tuple[str, Callable[[Device], dict[str, Any]]]] = {
    "": ("live", _now), "disk": ("live_disk", _disk), "power": ("live_power", _power),
}  # fmt: skip
MORE: dict[str, Callable[[HttpRequest, Device], dict[str, Any]]] = {
    "": _advice, "boots": _boots, "identity": _identity, "preview": _preview, "history": _history,
}  # fmt: skip
