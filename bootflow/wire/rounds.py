"""Looks at wires that were asked for, and machines that are to be woken. Safe to run at any time."""

from __future__ import annotations

import functools
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from bootflow.models import BootNetwork, WireLook
from bootflow.ports import Wire, WireServer
from bootflow.wire.raw import RawWire
from devices.models import Device
from netboot_site.errors import UnavailableError

logger = logging.getLogger(__name__)
# A machine that could not be woken at once is tried each second for so long, and does not start by surprise
# hours later.
WAKE_WITHIN = timedelta(seconds=60)
MAGIC_PACKETS = 3
_BATCH = 20
_PAUSE_SECONDS = 0.005  # between packets, so that a switch drops none
TOO_LATE = "Nobody sent the packet within 60 s: the control worker was not at work. Wake it again."


def pending_wakes(now: datetime) -> QuerySet[Device]:
    """Devices that were to be woken lately and were not."""
    return _unwoken().filter(wake_requested_at__gt=now - WAKE_WITHIN).order_by("wake_requested_at", "pk")


def pending_looks() -> QuerySet[WireLook]:
    """Interfaces that somebody wants to be looked at since the last look."""
    seen = Q(observed_at=None) | Q(observed_at__lt=F("requested_at"))
    return WireLook.objects.filter(seen, requested_at__isnull=False)


def _unwoken() -> QuerySet[Device]:
    woken = Q(observed_woken_at=None) | Q(observed_woken_at__lt=F("wake_requested_at"))
    return Device.objects.filter(woken, wake_requested_at__isnull=False)


def work(wire: Wire, pause: Callable[[float], None] = time.sleep) -> None:
    """Do all that is asked for now."""
    for look in pending_looks():
        observe_wire(wire, look.interface)
    wake_devices(wire, pause)


def observe_wire(wire: Wire, interface: str) -> None:
    """Look, and note who answered or why nobody could be asked."""
    servers: Sequence[WireServer] = ()
    error = ""
    try:
        servers = wire.look(interface)
    except UnavailableError as refusal:
        error = str(refusal)
    WireLook.objects.filter(interface=interface).update(
        observed_at=timezone.now(),
        observed_servers=[server_row(server, our_addresses()) for server in servers],
        last_error=error,
    )


def server_row(server: WireServer, ours: Iterable[str]) -> dict[str, Any]:
    """As WireLook keeps it."""
    return {**asdict(server), "answers_pxe": server.answers_pxe, "ours": server.address in ours}


def our_addresses() -> set[str]:
    """Under which our own server answers on the networks that we serve."""
    return {str(settings.BOOT_ADDRESS), *BootNetwork.objects.values_list("address", flat=True)}


def served_interfaces() -> list[str]:
    """Of all the networks that machines boot from."""
    further = BootNetwork.objects.order_by("interface").values_list("interface", flat=True)
    return list(dict.fromkeys(filter(None, [settings.BOOT_INTERFACE, *further])))


def wake_devices(wire: Wire, pause: Callable[[float], None] = time.sleep) -> None:
    """Send each its magic packets on every network, batch by batch, and note how that went."""
    now = timezone.now()
    late = _unwoken().filter(wake_requested_at__lte=now - WAKE_WITHIN, observed_wake_error="")
    late.update(observed_wake_error=TOO_LATE)
    rows = list(pending_wakes(now).values_list("pk", "mac"))
    interfaces = served_interfaces() if rows else []
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        error = _send(wire, interfaces, [mac for _, mac in batch], pause)
        _note([pk for pk, _ in batch], error)


def _send(wire: Wire, interfaces: list[str], macs: list[str], pause: Callable[[float], None]) -> str:
    """Why no network could be used; empty if one could."""
    errors = dict.fromkeys(interfaces, "")
    for _, name, mac in itertools.product(range(MAGIC_PACKETS), interfaces, macs):
        if errors[name]:
            continue
        try:
            wire.wake(name, mac)
        except UnavailableError as error:
            errors[name] = str(error)
        pause(_PAUSE_SECONDS)
    if "" in errors.values():
        return ""
    return " ".join(errors.values()) or "There is no boot network to send it on: set BOOT_INTERFACE."


def _note(keys: list[int], error: str) -> None:
    rows = Device.objects.filter(pk__in=keys)
    if error:
        rows.exclude(observed_wake_error=error).update(observed_wake_error=error)
    else:
        rows.update(observed_woken_at=timezone.now(), observed_wake_error="")


class WireRounds:
    """Does the work beside convergence, which it would hold up: one thread at a time."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._thread: threading.Thread | None = None

    def round(self) -> None:
        """Begin what is asked for, if nothing is in progress."""
        if self._thread is not None and self._thread.is_alive():
            return
        if pending_looks().exists() or pending_wakes(timezone.now()).exists():
            self._thread = threading.Thread(target=self._work, name="wire", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        try:
            work(self.wire)
        except DatabaseError as error:
            logger.warning("The wire is looked at again in the next round: %s", error)
        finally:
            connection.close()


@functools.cache
def local_wire() -> WireRounds:
    """This host's."""
    return WireRounds(RawWire())
