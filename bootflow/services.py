"""Changes of what machines boot. Keyword-only, a verb first; each one transaction."""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

from django.db import transaction
from django.utils import timezone

from bootflow.models import Boot, BootOnce, BootPlan, Installer, KernelSet, Outcome
from bootflow.raspberry_pi.config import check_addition, parse_additions
from bootflow.raspberry_pi.serials import parse_serial
from bootflow.raspberry_pi.shown import known_overlays
from devices.models import Device, DeviceType, Group
from devices.services import (
    follow_channel,
    get_discovered,
    get_unknown,
    ignore_discovered,
    move_to_group,
    register_device,
    take_back,
    update_device,
)
from images.models import Export, ExportMode, Image
from images.services import assign_image, unassign_image
from netboot_site import journal
from netboot_site.errors import ConflictError, ValidationError

DEFAULT_KERNEL_SET = "default"
SPENT = "Next boot: as planned again, since this one did what it was set to"


class ProfileChanges(TypedDict, total=False):
    """What may be changed of a device; what is left out stays."""

    name: str
    device_type: str
    enabled: bool
    image_id: str | None
    mode: str
    kernel_set: str
    group: Group | None
    channel: str
    serial: str | None
    config_additions: list[dict[str, Any]]


@transaction.atomic
def register_profile(
    *,
    mac: str,
    device_type: str,
    name: str,
    enabled: bool = True,
    image_id: str | None = None,
    mode: str = ExportMode.EXCLUSIVE,
    kernel_set: str = DEFAULT_KERNEL_SET,
    group: Group | None = None,
    channel: str = "",
    serial: str | None = None,
    config_additions: list[dict[str, Any]] | None = None,
) -> Device:
    """Register a device with what it boots. Raises ConflictError if its MAC address is taken."""
    device = register_device(mac=mac, device_type=device_type, name=name, enabled=enabled, group=group)
    follow_channel(follower=device, channel=channel)
    _choose_kernel_set(device, kernel_set)
    set_serial(device=device, serial=serial)
    add_to_config(device=device, additions=config_additions or [])
    _give_image(device, image_id, mode)
    return device


@transaction.atomic
def update_profile(*, device: Device, **changes: Unpack[ProfileChanges]) -> Device:
    """Change what is given and leave the rest. Raises ConflictError while a disk that would go is in use."""
    if "image_id" in changes:
        _take_image(device, unless=changes["image_id"])
    _check_type_change(device, changes.get("device_type"))
    update_device(
        device=device,
        name=changes.get("name"),
        device_type=changes.get("device_type"),
        enabled=changes.get("enabled"),
    )
    if "group" in changes:
        move_to_group(device=device, group=changes["group"])
    if "channel" in changes:
        follow_channel(follower=device, channel=changes["channel"])
    if "kernel_set" in changes:
        _choose_kernel_set(device, changes["kernel_set"])
    set_serial(device=device, serial=changes.get("serial"))
    if "config_additions" in changes:
        add_to_config(device=device, additions=changes["config_additions"])
    if "image_id" in changes:
        _give_image(device, changes["image_id"], changes.get("mode", ExportMode.EXCLUSIVE))
    return device


@transaction.atomic
def set_serial(*, device: Device, serial: str | None) -> None:
    """What a person knows of its serial; None: as it is. Raises ValidationError."""
    if serial is None:
        return
    before, device.serial = (
        device.serial,
        parse_serial(serial, device_type=device.device_type, mac=device.mac),
    )
    if device.serial != before:
        device.save(update_fields=["serial", "updated_at"])
        _note(device, f"Serial: {before or 'none'} → {device.serial or 'none'}")


@transaction.atomic
def add_to_config(*, device: Device, additions: list[dict[str, Any]]) -> None:
    """Lines for a Raspberry Pi's config.txt besides its kernel set's. Raises ValidationError."""
    checked = parse_additions(additions)
    if checked and device.device_type != DeviceType.RASPI:
        raise ValidationError(f"{device} is no Raspberry Pi: it reads no config.txt.")
    overlays = known_overlays(device) if any(one["name"] == "dtoverlay" for one in checked) else None
    for one in checked:
        check_addition(one["name"], one["value"], overlays)
    plan = BootPlan.objects.filter(device=device).first()
    before = plan.config_additions if plan else []
    if checked == before:
        return
    BootPlan.objects.update_or_create(device=device, defaults={"config_additions": checked})
    for what, lines, others in (("Taken out of", before, checked), ("Added to", checked, before)):
        texts = [f"{one['name']}={one['value']}" for one in lines if one not in others]
        if texts:
            _note(device, f"{what} its config.txt: {', '.join(texts)}")


@transaction.atomic
def delete_profile(*, device: Device) -> None:
    """Forget a device; its disk becomes free. Raises ConflictError while the disk is in use."""
    _take_image(device, unless=None)
    _note(device, f"Deleted; its name was {device.name}")
    device.delete()


@transaction.atomic
def approve_device(
    *,
    mac: str,
    name: str | None = None,
    device_type: str | None = None,
    group: Group | None = None,
    image_id: str | None = None,
    mode: str = ExportMode.EXCLUSIVE,
) -> Device:
    """Enroll a device that asked to boot; what is not given is what it told of itself."""
    found = get_discovered(mac=mac)
    device = register_device(
        mac=mac,
        device_type=device_type or found.device_type,
        name=name if name is not None else suggested_name(device=found),
        group=group,
    )
    _give_image(device, image_id, mode)
    return device


@transaction.atomic
def forget_discovered(*, mac: str) -> None:
    """Drop an unknown device; it comes back when it asks again."""
    found = get_discovered(mac=mac)
    found.delete()
    _note(found, "Forgotten; it comes back when it asks again")


@transaction.atomic
def ignore_device(*, mac: str) -> Device:
    """Never ask about an unknown device again: it goes to its local disk, and its boot is not watched."""
    device = get_unknown(mac=mac)
    ignore_discovered(device=device)
    Boot.objects.filter(mac=device.mac, finished_at=None).update(
        finished_at=timezone.now(), outcome=Outcome.LOCAL, reason="It is ignored from now on."
    )
    return device


@transaction.atomic
def heed_device(*, mac: str) -> Device:
    """Take back an ignored device: it waits for approval when it asks again."""
    device = get_unknown(mac=mac)
    take_back(device=device)
    return device


@transaction.atomic
def set_boot_once(*, device: Device, boot_once: str, installer: str | None = None) -> BootPlan:
    """What the next boot does instead of the plan; empty: as planned. Raises ValidationError."""
    if boot_once not in BootOnce.values:
        raise ValidationError("The next boot is one of local, menu, installer, or as planned.")
    chosen = _installer_for(device, installer) if boot_once == BootOnce.INSTALLER else None
    before = _once_words(BootPlan.objects.filter(device=device).first())
    plan, _ = BootPlan.objects.update_or_create(
        device=device, defaults={"boot_once": boot_once, "boot_once_installer": chosen}
    )
    if (now := _once_words(plan)) != before:
        _note(device, f"Next boot: {before} → {now}")
    return plan


def _once_words(plan: BootPlan | None) -> str:
    """What the next boot does: `as planned`, `boot menu`, `installer debian-12`."""
    if plan is None:
        return "as planned"
    installer = f" {plan.boot_once_installer_id}" if plan.boot_once_installer_id else ""
    return f"{BootOnce(plan.boot_once).label.lower()}{installer}"


@transaction.atomic
def spend_boot_once(*, mac: str) -> None:
    """The boot that was to differ has been seen to reach its disk or installer: the next goes as planned."""
    spent = BootPlan.objects.filter(device__mac=mac).exclude(boot_once=BootOnce.NONE)
    if spent.update(boot_once=BootOnce.NONE, boot_once_installer=None):
        journal.record("device", mac, SPENT)


def suggested_name(*, device: Device) -> str:
    """What it told of itself, as far as that can be a name, and its code."""
    product = str(device.facts.get("product") or "Device").replace("${", "{")
    return f"{product[:100].strip()} {device.code}"


def _installer_for(device: Device, name: str | None) -> Installer:
    installer = Installer.objects.filter(name=name or "").first()
    if installer is None:
        raise ValidationError(f"There is no installer named {name or ''!r}.")
    if installer.device_type != device.device_type:
        raise ConflictError(
            f"The installer {installer.name!r} is for {installer.device_type} devices; "
            f"{device} is {device.device_type}."
        )
    return installer


def _choose_kernel_set(device: Device, name: str) -> None:
    if not KernelSet.objects.filter(name=name).exists():
        raise ValidationError(f"There is no kernel set named {name!r}.")
    plan = BootPlan.objects.filter(device=device).first()
    before = (plan.kernel_set_id if plan else None) or DEFAULT_KERNEL_SET
    if plan is None or plan.kernel_set_id != name:
        BootPlan.objects.update_or_create(device=device, defaults={"kernel_set_id": name})
    if name != before:
        _note(device, f"Kernel set: {before} → {name}")


def _note(device: Device, text: str) -> None:
    journal.record("device", device.mac, text)


def _give_image(device: Device, image_id: str | None, mode: str) -> None:
    """A disk of the same image that it has already stays as it is."""
    if image_id is None or Export.objects.filter(device=device, image=image_id).exists():
        return
    image = Image.objects.filter(id=image_id).first()
    if image is None:
        raise ValidationError(f"There is no image {image_id!r}.")
    assign_image(image=image, device=device, mode=mode)


def _take_image(device: Device, *, unless: str | None) -> None:
    export = Export.objects.select_related("image").filter(device=device).first()
    if export is not None and export.image_id != unless:
        unassign_image(image=export.image, device=device)


def _check_type_change(device: Device, device_type: str | None) -> None:
    if device_type is None or device_type == device.device_type:
        return
    if Export.objects.filter(device=device).exists():
        raise ConflictError(f"The device {device} has a disk for {device.device_type}; unassign it first.")
    plan = BootPlan.objects.filter(device=device).exclude(boot_once_installer=None).first()
    if plan is not None:
        raise ConflictError(
            f"The next boot of {device} is to start the installer {plan.boot_once_installer_id!r}, which is "
            f"for {device.device_type}; set its next boot as planned first."
        )
