"""The table of devices: its columns, and what each row shows beside the device's own fields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bootflow.models import Boot
from bootflow.overview import last_boot
from devices.models import Device
from images.models import Export, Session


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a person may choose; `sort` is what the search calls it."""

    key: str
    label: str
    sort: str
    is_usual: bool = True


COLUMNS = (
    Column("state", "State", "state"),
    Column("doing", "Now", "doing"),
    Column("type", "Type", "device_type"),
    Column("group", "Group", "group"),
    Column("disk", "Disk", "image"),
    Column("next", "Next boot", "boot_once"),
    Column("boot", "Last boot", "last_boot_at"),
    Column("seen", "Last seen", "last_seen_at", is_usual=False),
    Column("serial", "Serial", "serial", is_usual=False),
    Column("model", "Model", "model", is_usual=False),
    Column("firmware", "Firmware", "firmware", is_usual=False),
    Column("kernel_set", "Kernel set", "kernel_set", is_usual=False),
    Column("channel", "Channel", "channel", is_usual=False),
    Column("created", "Registered", "created_at", is_usual=False),
)
USUAL = [column.key for column in COLUMNS if column.is_usual]


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device with what it does and what its last boot came to."""

    device: Device
    boot: Boot | None
    in_use: bool

    @property
    def is_booting(self) -> bool:
        """Whether it boots just now."""
        return self.boot is not None and self.boot.finished_at is None


def rows_of(shown: list[Device]) -> list[DeviceRow]:
    """The rows of a page of devices, which come with their export and its image. Two queries."""
    boots = last_boots_of(shown)
    used = iqns_in_use([device.export for device in shown if hasattr(device, "export")])
    return [
        DeviceRow(device, boots.get(device.mac), hasattr(device, "export") and device.export.iqn in used)
        for device in shown
    ]


def last_boots_of(devices: Iterable[Device]) -> dict[str, Boot]:
    """The latest boot of each, by MAC address. One query, whatever the history."""
    latest = Device.objects.filter(pk__in=[device.pk for device in devices]).values(boot=last_boot("pk"))
    return {boot.mac: boot for boot in Boot.objects.filter(pk__in=latest).order_by()}


def iqns_in_use(exports: Iterable[Export]) -> set[str]:
    """The targets of these disks that somebody is logged in to. One query."""
    wanted = [export.iqn for export in exports]
    return set(Session.objects.filter(iqn__in=wanted, ended_at=None).values_list("iqn", flat=True))
