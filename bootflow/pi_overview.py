"""What pages read of Raspberry Pis alone: trees of boot files, and what a screen shows. No query."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bootflow.models import BootPlan, PiTree
from bootflow.raspberry_pi.config import known_properties
from bootflow.raspberry_pi.models import family_of
from bootflow.raspberry_pi.waiting.outlook import WaitingSystem, look_at_waiting_system
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
        return "" if seen and self.device.serial.endswith(seen) else seen

    @property
    def is_served(self) -> bool:
        """Whether it has a tree of its own at all."""
        return self.device.state == DeviceState.ENROLLED

    @property
    def additions(self) -> list[dict[str, str]]:
        """Lines that its config.txt gets besides its kernel set's."""
        return list(self.plan.config_additions) if self.plan else []

    @property
    def properties(self) -> list[str]:
        """Names to choose from."""
        return known_properties()

    @property
    def updates_bootloader(self) -> bool:
        """Whether its next boot rewrites its bootloader."""
        return self.plan.bootloader_update if self.plan else False


def pi_of(device: Device) -> Pi | None:
    """None for what is no Raspberry Pi."""
    if device.device_type != DeviceType.RASPI:
        return None
    return Pi(device, getattr(device, "boot_plan", None), getattr(device, "pi_tree", None))


def with_notes(devices: Iterable[Device]) -> list[tuple[Device, str]]:
    """Unknown devices, each with what a person should know whose eyes are on its screen (empty: nothing)."""
    rows = list(devices)
    if all(device.device_type != DeviceType.RASPI for device in rows):
        return [(device, "") for device in rows]
    system = look_at_waiting_system()
    return [(device, screen_note(device, system)) for device in rows]


def screen_note(device: Device, system: WaitingSystem) -> str:
    """Why a Pi's screen shows no code."""
    if device.device_type != DeviceType.RASPI:
        return ""
    family = family_of(str(device.facts.get("model") or ""))
    if system.folder is None:
        return f"Its screen shows no code, and it keeps retrying to boot. {system.trouble}"
    if family is None or family in system.models:
        return ""
    return (
        f"Its screen shows no code: there is no waiting system for a {family}. It keeps retrying to boot, "
        f"and boots once it is approved and has a disk."
    )
