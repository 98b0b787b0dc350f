"""Editions of a device: what a form or an If-Match was made from, and who changed what since."""

from __future__ import annotations

import contextlib
import hashlib
import json
from datetime import UTC

from bootflow.services import DEFAULT_KERNEL_SET, SPENT
from devices.models import Device, DeviceType
from netboot_site import journal
from netboot_site.errors import OutdatedError
from netboot_site.models import Change

# What persons set; what a machine tells of itself changes at each boot and is nobody's edit.
_FIELDS = (
    "name", "state", "device_type", "serial", "channel", "group__name", "boot_plan__kernel_set_id",
    "boot_plan__boot_once", "boot_plan__boot_once_installer_id", "boot_plan__config_additions",
    "export__image_id", "export__mode", "export__persistence", "export__follows", "export__version_id",
)  # fmt: skip
_TOLD = 3
_NUMBER_DIGITS = 18


def edition_of(mac: str) -> str:
    """A short name of what is set for a device now, its plan, disk and group included. Two queries.

    Its first part is the place in the journal, from which it is told who changed what since.
    """
    newest = journal.changes_of("device", mac).values_list("pk", flat=True).first()
    return f"{newest or 0}-{_digest(mac)}"


def expect_edition(*, device: Device, edition: str) -> None:
    """Raises OutdatedError if the device is set otherwise than in that edition; empty: whatever it is.

    To be called in the transaction of the change: nobody else can change the device by a page until it ends.
    """
    if not edition:
        return
    Device.objects.select_for_update(of=("self",)).filter(pk=device.pk).first()
    number, _, digest = edition.partition("-")
    if digest == _digest(device.mac):
        return
    since = _since(device.mac, number)
    if since and all(change.text == SPENT for change in since):
        return  # the machine booted meanwhile; nobody's choice would be overwritten
    raise OutdatedError(_words(device, since))


def expect_one_of(*, device: Device, editions: list[str]) -> None:
    """The same for several editions, one of which will do (If-Match)."""
    *others, last = editions
    for edition in others:
        with contextlib.suppress(OutdatedError):
            return expect_edition(device=device, edition=edition)
    return expect_edition(device=device, edition=last)


def _digest(mac: str) -> str:
    row = Device.objects.filter(mac=mac).values(*_FIELDS).first() or {}
    if row.get("device_type") != DeviceType.RASPI:
        row["serial"] = ""  # a PC tells it at each boot
    row["boot_plan__kernel_set_id"] = row.get("boot_plan__kernel_set_id") or DEFAULT_KERNEL_SET
    told = json.dumps([row.get(field) or "" for field in _FIELDS])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _since(mac: str, number: str) -> list[Change]:
    if not (number.isascii() and number.isdigit() and len(number) <= _NUMBER_DIGITS):
        return []
    return list(journal.changes_of("device", mac).filter(pk__gt=int(number))[:_TOLD])


def _words(device: Device, since: list[Change]) -> str:
    told = "; ".join(
        f"{change.person or 'the orchestrator'} at {change.at.astimezone(UTC):%H:%M} UTC: {change.text}"
        for change in since
    )
    what = f"{device} was changed meanwhile{f' by {told}' if told else ''}."
    return (
        f"{what} Nothing of yours was saved: look at what is set now, and send yours again if it still holds."
    )
