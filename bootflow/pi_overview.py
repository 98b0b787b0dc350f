"""What pages read of a Raspberry Pi: its tree of boot files, and what else concerns it alone. No query."""

from __future__ import annotations

from dataclasses import dataclass

from bootflow.models import BootPlan, PiTree
from devices.models import Device, DeviceState, DeviceType


@dataclass(frozen=True, slots=True)
class Pi:
    """A Raspberry Pi besides what every device has; the device comes with its plan and tree."""

    device: Device
    plan: BootPlan | None
    tree: PiTree | None

    @property
    def serial_seen(self) -> str:
        """A serial that it was seen with and that contradicts the one it has."""
        seen = str(self.device.facts.get("serial_seen") or "")
        return seen if seen != self.device.serial else ""

    @property
    def is_served(self) -> bool:
        """Whether it has a tree of its own at all."""
        return self.device.state == DeviceState.ENROLLED

    @property
    def additions(self) -> list[dict[str, str]]:
        """Lines that its config.txt gets besides its kernel set's."""
        return list(self.plan.config_additions) if self.plan else []

    @property
    def updates_bootloader(self) -> bool:
        """Whether its next boot rewrites its bootloader."""
        return self.plan.bootloader_update if self.plan else False


def pi_of(device: Device) -> Pi | None:
    """None for what is no Raspberry Pi."""
    if device.device_type != DeviceType.RASPI:
        return None
    return Pi(device, getattr(device, "boot_plan", None), getattr(device, "pi_tree", None))
