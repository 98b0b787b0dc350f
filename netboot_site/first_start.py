"""What a person does first in a new house, step by step, until it is done."""

from __future__ import annotations

from dataclasses import dataclass

from bootflow.network import chosen, look_of, served
from netboot_site.figures import Figures
from netboot_site.network_file import is_interface_fixed


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what to do, why, and where."""

    key: str
    title: str
    text: str
    done: bool
    url: str = ""
    action: str = ""


def first_steps(figures: Figures) -> list[Step]:
    """Nothing once the first machine has its name and there is an image; two queries until then."""
    devices, images = figures.devices, figures.storage.image_count
    if devices.known and images:
        return []
    choice = chosen()
    now = served(choice)
    seen = bool(devices.known or devices.discovered or devices.ignored or devices.booting)
    look = look_of(now.interface)
    return [
        Step(
            "network", "Choose the boot network",
            f"Served now: {now.interface or 'none'} ({now.dhcp_mode}). Keep it so, or choose another.",
            choice is not None or is_interface_fixed() or seen, "/network/", "Choose the network",
        ),
        Step(
            "wire", "See who else answers on the wire",
            "Another DHCP or PXE server decides whether ours is to hand out addresses.",
            look.observed_at is not None or seen, "/network/", "Look at the wire",
        ),
        Step(
            "image", "Make or upload the first disk",
            "An empty disk to install on, or an image that you have: raw, qcow2, vmdk, vhdx, packed or not.",
            images > 0, "/images/_new/", "New image",
        ),
        Step(
            "power", "Now power on a machine",
            "Let it boot from the network (PXE). It appears on this page by itself, with the code that its "
            "screen shows.",
            seen,
        ),
        Step(
            "approve", "Approve it and give it the disk",
            "From its next boot on it starts from that disk.",
            devices.known > 0,
        ),
    ]  # fmt: skip
