"""Updates of a Raspberry Pi's bootloader: on demand, for one device, and taken back once it has had them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from bootflow.models import Boot, BootEvent, BootPlan
from bootflow.raspberry_pi.shown import tree_shown
from bootflow.raspberry_pi.trees import UPDATE_FILES, is_bootloader_file
from devices.models import Device
from netboot_site import journal
from netboot_site.errors import ConflictError

WARNING = (
    "At its next boot the Raspberry Pi rewrites its bootloader with these files. Keep it powered until it "
    "has started again: a Pi that loses power meanwhile starts no more until it is recovered from an SD "
    "card. The files must be made for its model. They are taken away once it has booted again."
)


def prepare_bootloader_update(*, device: Device) -> list[str]:
    """Let a device's tree hold its kernel set's bootloader files; which they are. Raises ConflictError."""
    shown = tree_shown(device)
    files = sorted(shown.update)
    if not set(UPDATE_FILES) & set(files):
        raise ConflictError(
            f"What {device} boots has neither pieeprom.upd nor recovery.bin; put one of them, made for its "
            f"model, into its kernel set."
        )
    _set_update(device, timezone.now())
    return files


def cancel_bootloader_update(*, device: Device) -> None:
    """Take the bootloader files out of a device's tree; nothing if there are none."""
    _set_update(device, None)


@transaction.atomic
def _set_update(device: Device, since: datetime | None) -> None:
    plan, _ = BootPlan.objects.get_or_create(device=device)
    before, plan.bootloader_update, plan.bootloader_update_at = (
        plan.bootloader_update,
        since is not None,
        since,
    )
    plan.save(update_fields=["bootloader_update", "bootloader_update_at", "updated_at"])
    if plan.bootloader_update != before:
        text = "Its next boot rewrites its bootloader" if since else "Its bootloader stays as it is"
        journal.record("device", device.mac, text)


def take_back_updates(devices: Iterable[int]) -> bool:
    """Of these devices, those that have fetched their update and begun another boot since; was there one?"""
    done = [plan for plan in _plans(devices) if _has_booted_again(plan)]
    if not done:
        return False
    journal.record_many(
        "device", [(plan.device.mac, "Has fetched the update of its bootloader") for plan in done]
    )
    rows = BootPlan.objects.filter(pk__in=[plan.pk for plan in done])
    return rows.update(bootloader_update=False, bootloader_update_at=None) > 0


def _plans(devices: Iterable[int]) -> Iterable[BootPlan]:
    return BootPlan.objects.filter(device__in=devices, bootloader_update=True).select_related("device")


def _has_booted_again(plan: BootPlan) -> bool:
    since = plan.bootloader_update_at or plan.updated_at
    events = BootEvent.objects.filter(boot__mac=plan.device.mac, kind="file", at__gte=since)
    fetched = [
        at
        for at, file in events.order_by("at").values_list("at", "facts__file")
        if is_bootloader_file(str(file or ""))
    ]
    return bool(fetched) and Boot.objects.filter(mac=plan.device.mac, started_at__gt=fetched[0]).exists()
