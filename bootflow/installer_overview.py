"""What pages and the API read of installers; a fixed number of queries, whatever the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bootflow.models import BootPlan, Installer
from devices.models import Device

DEVICES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class InstallerRow:
    """An installer, and the devices whose next boot starts it."""

    installer: Installer
    devices: list[Device]

    @property
    def first_devices(self) -> list[Device]:
        """As many as a list names."""
        return self.devices[:DEVICES_SHOWN]

    @property
    def more(self) -> int:
        """How many it does not name."""
        return max(0, len(self.devices) - DEVICES_SHOWN)


def installers_shown(installers: Iterable[Installer]) -> list[InstallerRow]:
    """One query for the devices of all of them."""
    rows = list(installers)
    found: dict[str, list[Device]] = {row.pk: [] for row in rows}
    plans = BootPlan.objects.filter(boot_once_installer__in=list(found)).select_related("device")
    for plan in plans.order_by("device__name", "device__mac"):
        found[plan.boot_once_installer_id or ""].append(plan.device)
    return [InstallerRow(row, found[row.pk]) for row in rows]
