"""One change of many devices: begun once, carried on by whoever has a moment, stopped at will."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from bootflow.bulk_actions import apply_to, checked_arguments
from bootflow.models import BulkChange
from devices.models import Device, DeviceState
from netboot_site import journal
from netboot_site.errors import NotFoundError, OrchestratorError, ValidationError
from netboot_site.locks import advisory_lock

MOST_DEVICES = 20_000
KEPT = timedelta(days=30)


class _StoppedError(Exception):
    """Somebody stopped it while a device had its turn."""


@transaction.atomic
def begin_bulk(
    *, number: UUID, action: str, arguments: Mapping[str, Any], macs: Iterable[str], person: str
) -> BulkChange:
    """Note what is to be done to which devices, by name. The same number again is the same change.

    Raises ValidationError where no device could be given what is asked for.
    """
    found = BulkChange.objects.filter(pk=number).first()
    if found is not None:
        return found
    wanted = list(dict.fromkeys(macs))
    if not wanted or len(wanted) > MOST_DEVICES:
        raise ValidationError(f"Choose 1 to {MOST_DEVICES} devices.")
    arguments = checked_arguments(action, arguments)
    names = dict(Device.objects.filter(mac__in=wanted).order_by("name", "mac").values_list("mac", "name"))
    pairs = [*names.items(), *((mac, "") for mac in wanted if mac not in names)]
    BulkChange.objects.filter(created_at__lt=Now() - KEPT).delete()
    return BulkChange.objects.get_or_create(
        pk=number, defaults={"action": action, "arguments": arguments, "devices": pairs, "person": person}
    )[0]


def get_bulk(*, number: str) -> BulkChange:
    """Raises NotFoundError."""
    try:
        found = BulkChange.objects.filter(pk=UUID(number)).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFoundError("There is no such change of many devices, or it was long ago.")
    return found


@transaction.atomic
def stop_bulk(*, bulk: BulkChange) -> None:
    """The devices that have not had their turn stay as they are; nothing is taken back."""
    BulkChange.objects.filter(pk=bulk.pk, finished_at=None).update(stop_requested_at=Now(), finished_at=Now())


def carry_on(*, bulk: BulkChange, seconds: float) -> None:
    """Go on with it for so long, if nobody else does; afterwards `bulk` is as it stands."""
    ends = time.monotonic() + seconds
    with advisory_lock(f"bulk.{bulk.pk}") as held, journal.acting(lambda: bulk.person):
        bulk.refresh_from_db()
        while held and bulk.finished_at is None and time.monotonic() < ends:
            try:
                _take_turn(bulk)
            except _StoppedError:
                break
    bulk.refresh_from_db(fields=["turn", "refused", "stop_requested_at", "finished_at"])


def carry_on_with_all(*, seconds: float) -> None:
    """Go on for so long with what is not finished, the oldest first."""
    ends = time.monotonic() + seconds
    for bulk in BulkChange.objects.filter(finished_at=None).order_by("created_at"):
        carry_on(bulk=bulk, seconds=ends - time.monotonic())


def macs_done(bulk: BulkChange) -> list[str]:
    """Those that had their turn and were not refused."""
    refused = {row["mac"] for row in bulk.refused}
    return [mac for mac, _ in bulk.devices[: bulk.turn] if mac not in refused]


def _take_turn(bulk: BulkChange) -> None:
    """The next device: changed, or refused and the reason noted, and what comes of it in one transaction."""
    mac, name = bulk.devices[bulk.turn]
    bulk.turn += 1
    try:
        with transaction.atomic():
            apply_to(_device(mac), bulk.action, bulk.arguments)
            _note(bulk)
    except OrchestratorError as error:
        _refuse(bulk, mac, name, str(error))
    except IntegrityError:
        _refuse(bulk, mac, name, "It was changed by somebody else just now; try it again.")


def _device(mac: str) -> Device:
    """Its row as it is now, and locked: what was read a moment ago is not written back.

    Not as for a deletion: whoever gives it a disk holds the image already, and would wait for us in a ring.
    """
    device = Device.objects.select_for_update(no_key=True).filter(mac=mac).first()
    if device is None:
        raise NotFoundError("It is not registered any more.")
    if device.state == DeviceState.DISCOVERED:
        raise NotFoundError("It is not approved yet; approve it first.")
    return device


def _refuse(bulk: BulkChange, mac: str, name: str, reason: str) -> None:
    bulk.refused.append({"mac": mac, "name": name, "reason": reason})
    with transaction.atomic():
        _note(bulk)


def _note(bulk: BulkChange) -> None:
    """How far it is; whoever stops it waits for this, or this device is left as it was."""
    is_last = bulk.turn == len(bulk.devices)
    rows = BulkChange.objects.filter(pk=bulk.pk, finished_at=None)
    noted = {"turn": bulk.turn, "refused": bulk.refused}
    if not rows.update(**noted, **({"finished_at": Now()} if is_last else {})):
        raise _StoppedError
    if is_last:
        bulk.refresh_from_db(fields=["finished_at"])
