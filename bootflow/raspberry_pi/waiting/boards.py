"""Which models the waiting system can serve, told by what lies in it and in Debian's kernel."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bootflow.raspberry_pi.models import Family, missing_files

# The name that a Pi's firmware asks for, and Debian's name for a device tree that fits the board. A 2B v1.2
# has the processor and the network chip of a 3B.
DEVICE_TREES: Mapping[str, str] = {
    "bcm2710-rpi-2-b.dtb": "bcm2837-rpi-3-b.dtb",
    "bcm2710-rpi-3-b.dtb": "bcm2837-rpi-3-b.dtb",
    "bcm2710-rpi-3-b-plus.dtb": "bcm2837-rpi-3-b-plus.dtb",
    "bcm2710-rpi-cm3.dtb": "bcm2837-rpi-cm3-io3.dtb",
    "bcm2710-rpi-zero-2.dtb": "bcm2837-rpi-zero-2-w.dtb",
    "bcm2710-rpi-zero-2-w.dtb": "bcm2837-rpi-zero-2-w.dtb",
    "bcm2711-rpi-4-b.dtb": "bcm2711-rpi-4-b.dtb",
    "bcm2711-rpi-400.dtb": "bcm2711-rpi-400.dtb",
    "bcm2711-rpi-cm4.dtb": "bcm2711-rpi-cm4-io.dtb",
    "bcm2712-rpi-5-b.dtb": "bcm2712-rpi-5-b.dtb",
}
_PI_5, _PI_5_NETWORK = b"brcm,bcm2712\0", b"raspberrypi,rp1-gem\0"


def has_network(device_tree: bytes) -> bool:
    """Whether the kernel of this device tree has its board's network; on a Pi 5 that is a chip of its own."""
    return _PI_5 not in device_tree or _PI_5_NETWORK in device_tree


def served_families(names: Collection[str], config: str) -> list[Family]:
    """The models for which all is there, in the order in which they came out."""
    return [family for family in Family if not missing_files(names, family, config=config, initramfs=True)]
