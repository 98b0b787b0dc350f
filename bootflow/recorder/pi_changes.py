"""What a Raspberry Pi's boot sets going by itself: a fresh overlay, and the end of a bootloader's update.

A Pi whose image does iSCSI without us never checks in: what a PC is given when it asks, it is given when its
firmware starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from bootflow.checkin import execute
from bootflow.models import Boot, BootEvent, BootPlan, Stage
from bootflow.raspberry_pi.paths import asked_path
from bootflow.recorder.pis import Booting
from bootflow.statements import REFRESH
from bootflow.tasks import converge
from devices.models import Device, DeviceState, DeviceType
from images.models import BootFiles, Export, ExportMode, Persistence

# The firmware has fetched all of its files by then; a kernel that logs in later may have the disk as it is.
_STARTS_WITHIN = timedelta(minutes=2)
_EARLY = (Stage.DHCP, Stage.FIRMWARE, Stage.TFTP)
_UPDATES = ("pieeprom.upd", "recovery.bin")
_UPDATE_SIGNATURE = "pieeprom.sig"


def refresh_overlays(pis: Sequence[Booting], devices: dict[str, Device]) -> None:
    """Ask for the fresh overlay that is due to a Pi that starts, while nobody is logged in to the old one."""
    now = timezone.now()
    for boot, _ in pis:
        starting = boot.stage in _EARLY and now - boot.started_at <= _STARTS_WITHIN
        device = devices.get(boot.mac)
        export = getattr(device, "export", None) if starting and _boots(device) else None
        if export is not None and _is_due(export) and not _checks_in(export):
            execute(REFRESH, {"mac": boot.mac, "iqn": export.iqn})


def _boots(device: Device | None) -> bool:
    return (
        device is not None and device.device_type == DeviceType.RASPI and device.state == DeviceState.ENROLLED
    )


def _is_due(export: Export) -> bool:
    """As a check-in decides it (statements.py): another version, or a reset of what has been used."""
    if export.mode != ExportMode.OVERLAY or export.layer is None:
        return False
    used = export.handed_out_at or export.layer.used_at
    return export.observed_stale or (export.persistence == Persistence.RESET and used is not None)


def _checks_in(export: Export) -> bool:
    """Whether an initramfs of ours is in what it boots: that asks for the fresh overlay itself, and waits."""
    base = export.layer.base_version if export.layer else None
    layers = [export.layer_id, base.layer_id if base else None]
    facts = BootFiles.objects.filter(layer__in=[pk for pk in layers if pk]).values_list("facts", flat=True)
    return any(one.get("iscsi") == "added" for row in facts for one in row.get("initramfs", []))


def end_bootloader_updates(pis: Sequence[Booting]) -> None:
    """Take the update's files back from a device that has fetched them and boots again, or needs none."""
    wanted = dict(
        BootPlan.objects.filter(
            bootloader_update=True, device__mac__in=[boot.mac for boot, _ in pis]
        ).values_list("device__mac", "updated_at")
    )
    for boot, events in pis:
        if boot.mac in wanted and _is_updated(boot, events, wanted[boot.mac]):
            _end_update(boot, timezone.now())


def _is_updated(boot: Boot, events: Sequence[BootEvent], wanted_at: datetime) -> bool:
    """`wanted_at`: what was fetched before somebody asked for the update is an older one's."""
    before = BootEvent.objects.filter(
        boot__mac=boot.mac, boot__started_at__lt=boot.started_at, at__gte=wanted_at, kind="file"
    )
    if any(_name(event) in _UPDATES for event in before):
        return True
    updates = [event.at for event in events if event.at >= wanted_at and _name(event) in _UPDATES]
    signed = [event.at for event in events if event.at >= wanted_at and _name(event) == _UPDATE_SIGNATURE]
    if updates:
        return any(_last_at(event) > updates[-1] for event in events if event.facts.get("client") == "rpi")
    # Its bootloader compares the signature first: with the same version in place it goes on to its kernel.
    return bool(signed) and any(
        event.facts.get("role") == "kernel" and event.kind == "file" and event.at > signed[-1]
        for event in events
    )


@transaction.atomic
def _end_update(boot: Boot, now: datetime) -> None:
    BootPlan.objects.filter(device__mac=boot.mac).update(bootloader_update=False, updated_at=now)
    BootEvent.objects.create(
        boot=boot, at=now, stage=Stage.FIRMWARE, kind="bootloader-updated",
        detail="It boots again after it fetched its bootloader's update: those files are taken back.",
    )  # fmt: skip
    converge.delay_on_commit()  # type: ignore[attr-defined]  # netboot_site.celery.NudgeTask


def _name(event: BootEvent) -> str:
    return asked_path(str(event.facts.get("file") or "")).name if event.kind == "file" else ""


def _last_at(event: BootEvent) -> datetime:
    return datetime.fromisoformat(event.facts["last_at"]) if "last_at" in event.facts else event.at
