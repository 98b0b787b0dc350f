"""What a file is to the Raspberry Pi that asks for it, and whether it is no fault that it is not there. Pure.

Orders of files and answers that are normal: raspberrypi/documentation (boot-net.adoc, bootflow-legacy.adoc,
bootflow-eeprom.adoc, config_txt/boot.adoc, boot_folder.adoc), TFTP logs of a Pi 3B+ (PexMor/raspi-netboot),
of Pi 4s (rpi-eeprom issues 74, 87, 417) and of Pi 5s (rpi-eeprom issue 857, tinkerbell RASPBERRY_PI5.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

from bootflow.raspberry_pi.paths import asked_path

Exists = Callable[[str], bool]  # whether a path below the TFTP root is there


class Role(StrEnum):
    """What a file is for."""

    FIRMWARE = "firmware"
    KERNEL = "kernel"
    INITRAMFS = "initramfs"


# Asked for by every firmware, or by every one of a model, and needed for something else than this boot.
_OPTIONAL = (
    (re.compile(r"^(autoboot|tryboot)\.txt$"), "it chooses a partition of a card"),
    (re.compile(r"^recover[a-z0-9_]*\.(elf|img|bin)$"), "it starts a recovery system"),
    (re.compile(r"^boot(sig\.bin|\.sig)$"), "it signs a boot"),
    (re.compile(r"^(dt-blob\.bin|bootcfg\.txt|extraconfig\.txt)$"), "few boards need it"),
    (re.compile(r"^(pieeprom|vl805)\.(sig|bin|upd)$"), "it updates the bootloader"),
    (re.compile(r"^armstub[a-z0-9_-]*\.bin$"), "the firmware has its own"),
    (re.compile(r"^overlays/(overlay_map\.dtb|README|hat_map\.dtb|bcm2712d0\.dtbo)$"), "overlays do without"),
)  # fmt: skip
_FIRMWARE = re.compile(
    r"^(bootcode[a-z0-9]*\.bin|start[a-z0-9_]*\.elf|fixup[a-z0-9_]*\.dat|config\.txt|cmdline\.txt|RPI_EFI\.fd"
    r"|overlays/.*|[\w.-]+\.dtbo?|boot\.img)$"
)
_ELSEWHERE = re.compile(r"^.{1,32}/start[a-z0-9_]*\.elf$")  # TFTP_PREFIX_STR: a folder of somebody's choice
_KERNEL = re.compile(r"^(kernel[\w.-]*\.img|(vmlinu[xz]|[Zz]?Image|linux|u-boot)[\w.-]*)$")
_INITRAMFS = re.compile(r"^(initramfs|initrd)[\w.+-]*$|^[\w.+-]+\.(cpio|initrd)(\.\w+)?$")
_KERNELS = ("kernel_2712.img", "kernel8.img", "kernel7l.img", "kernel7.img", "kernel.img")
_INITRAMFSES = ("initramfs_2712", "initramfs8", "initramfs7l", "initramfs7", "initramfs")
# The firmware goes on to these where a board's own device tree is missing (config_txt/boot.adoc).
_PLAIN_TREES = {
    "bcm2708": ("bcm2708-rpi-b-plus.dtb", "bcm2708-rpi-b.dtb"),
    "bcm2709": ("bcm2709-rpi-2-b.dtb", "bcm2836-rpi-2-b.dtb"),
    "bcm2710": ("bcm2710-rpi-3-b.dtb", "bcm2837-rpi-3-b.dtb", "bcm2837-rpi-3-b-plus.dtb"),
    "bcm2837": ("bcm2837-rpi-3-b.dtb", "bcm2837-rpi-3-b-plus.dtb"),
    "bcm2711": ("bcm2711-rpi-4-b.dtb",),
    "bcm2712": ("bcm2712-rpi-5-b.dtb", "bcm2712d0-rpi-5-b.dtb"),
}


def role_of(path: str) -> Role | None:
    """What a path is to a Pi; None for what only other machines ask for."""
    asked = asked_path(path)
    if any(pattern.match(asked.name) for pattern, _ in _OPTIONAL) or _FIRMWARE.match(asked.name):
        return Role.FIRMWARE
    name = asked.name.rpartition("/")[2]
    if _KERNEL.match(name):
        return Role.KERNEL
    if _INITRAMFS.match(name):
        return Role.INITRAMFS
    return Role.FIRMWARE if asked.prefix or _ELSEWHERE.match(asked.name) else None


def why_expected(path: str, exists: Exists) -> str:
    """Why it is no fault that a path is not there, in a few words; empty if it is one."""
    asked = asked_path(path)
    for pattern, why in _OPTIONAL:
        if pattern.match(asked.name):
            return why
    folder = f"{asked.prefix}/" if asked.prefix else ""
    if asked.prefix and not exists(asked.prefix):
        return f"no folder {asked.prefix} is there; the common one has it" if exists(asked.name) else ""
    instead = next((name for name in _instead(asked.name) if exists(folder + name)), "")
    return f"{instead} is there instead" if instead else ""


def _instead(name: str) -> tuple[str, ...]:
    """What does as well."""
    if name == "start.elf":
        return ("start4.elf",)  # a Pi 4 looks for either, to see whether the folder is its own
    for group in (_KERNELS, _INITRAMFSES):
        if name in group:
            return tuple(other for other in group if other != name)
    plain = _PLAIN_TREES.get(name[:7], ()) if name.endswith(".dtb") else ()
    return () if name in plain[:1] else plain
