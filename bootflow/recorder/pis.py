"""Raspberry Pis that boot: unknown ones become rows, and rows learn what their firmware tells.

Their firmware never asks over HTTP, so its DHCP and TFTP are all that says who they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from bootflow.checkin import DISCOVERED_LIMIT
from bootflow.models import Boot, BootEvent, KernelSet
from bootflow.raspberry_pi.identity import is_pi_mac
from bootflow.raspberry_pi.learning import Learnt, Told, told_by, weigh
from bootflow.tasks import converge
from devices.models import Device, DeviceState, DeviceType, Firmware

Booting = tuple[Boot, Sequence[BootEvent]]
# A row that somebody dropped comes back when the Pi asks again, and not because it has asked some time ago.
_ASKS_NOW = timedelta(seconds=60)
_SEEN_STEP = timedelta(seconds=5)  # a device's last sighting is not written more often


def devices_of(pis: Sequence[Booting]) -> dict[str, Device]:
    """The devices that these boots are of, by MAC address, with what they boot."""
    rows = Device.objects.filter(mac__in=[boot.mac for boot, _ in pis])
    return {device.mac: device for device in rows.select_related("export__layer__base_version", "boot_plan")}


def learn(pis: Sequence[Booting], devices: dict[str, Device]) -> None:
    """Write what these boots tell: a row for each Pi that nobody knows, and what is new of the others."""
    sure = [(boot, events) for boot, events in pis if _is_surely_one(boot, events)]
    known = {**devices, **_discover([boot for boot, _ in sure if boot.mac not in devices])}
    for boot, events in sure:
        told = told_by([{**event.facts, "kind": event.kind} for event in events], boot.mac)
        device = known.get(boot.mac)
        if device is not None and _is_news(boot, device, told):
            _write(boot, told)


def sources_of(devices: dict[str, Device]) -> dict[str, str]:
    """What each Pi's files come from, in words; empty for one that nobody enrolled."""
    default = KernelSet.objects.filter(is_default=True).values_list("name", flat=True).first()
    return {mac: _source(device, default or "default") for mac, device in devices.items()}


def _source(device: Device, default: str) -> str:
    if device.state != DeviceState.ENROLLED or device.device_type != DeviceType.RASPI:
        return ""
    plan, export = getattr(device, "boot_plan", None), getattr(device, "export", None)
    chosen = plan.kernel_set_id if plan and plan.kernel_set_id != default else None
    if chosen or export is None:
        return f"the kernel set {chosen or default}"
    return f"the boot partition of the image {export.image_id}"


def _is_surely_one(boot: Boot, events: Sequence[BootEvent]) -> bool:
    """A PC that asks for `config.txt` by TFTP is none; a Pi with a fixed address asks without DHCP."""
    return is_pi_mac(boot.mac) or any(event.facts.get("client") == "rpi" for event in events)


def _discover(boots: Sequence[Boot]) -> dict[str, Device]:
    """A row for each Pi that asks now, unless there are too many of strangers already."""
    now = timezone.now()
    asking = [boot for boot in boots if now - boot.last_event_at <= _ASKS_NOW]
    room = DISCOVERED_LIMIT - Device.objects.discovered().count() if asking else 0
    made = [
        Device(
            mac=boot.mac, device_type=DeviceType.RASPI, firmware=Firmware.RASPBERRY_PI,
            state=DeviceState.DISCOVERED, first_seen_at=boot.started_at, last_seen_at=boot.last_event_at,
        )
        for boot in asking[: max(0, room)]
    ]  # fmt: skip
    # Its waiting system may have asked over HTTP meanwhile.
    Device.objects.bulk_create(made, ignore_conflicts=True)
    return {device.mac: device for device in Device.objects.filter(mac__in=[one.mac for one in made])}


def _is_news(boot: Boot, device: Device, told: Told) -> bool:
    stale = device.last_seen_at is None or boot.last_event_at - device.last_seen_at > _SEEN_STEP
    return stale or _learnt(device, told) != Learnt()


@transaction.atomic
def _write(boot: Boot, told: Told) -> None:
    """On the row as it stands now: a check-in writes to it, too."""
    device = Device.objects.select_for_update().filter(mac=boot.mac).first()
    if device is None:
        return
    learnt = _learnt(device, told)
    device.facts = {name: value for name, value in device.facts.items() if name not in learnt.forget}
    device.facts |= learnt.facts
    device.firmware = device.firmware or Firmware.RASPBERRY_PI
    device.first_seen_at = device.first_seen_at or boot.started_at
    device.last_seen_at = max(device.last_seen_at or boot.last_event_at, boot.last_event_at)
    if device.state == DeviceState.DISCOVERED:
        device.device_type = DeviceType.RASPI
    if learnt.serial is not None:
        device.serial = learnt.serial
        converge.delay_on_commit()  # type: ignore[attr-defined]  # netboot_site.celery.NudgeTask
    device.save(update_fields=[
        "facts", "firmware", "first_seen_at", "last_seen_at", "device_type", "serial",
    ])  # fmt: skip


def _learnt(device: Device, told: Told) -> Learnt:
    """Nothing of a device that somebody registered as another type: its MAC address says no more."""
    enrolled = device.state != DeviceState.DISCOVERED
    if enrolled and device.device_type != DeviceType.RASPI:
        return Learnt()
    taken = enrolled and not device.serial and bool(told.serial) and _is_taken(device, told.serial)
    return weigh(told, serial=device.serial, facts=device.facts, is_enrolled=enrolled, is_taken=taken)


def _is_taken(device: Device, serial: str) -> bool:
    others = Device.objects.known().filter(device_type=DeviceType.RASPI, serial__endswith=serial)
    return others.exclude(pk=device.pk).exists()
