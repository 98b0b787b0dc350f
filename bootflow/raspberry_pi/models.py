"""Which files each Raspberry Pi needs of what it boots, so that what is missing is said before it tries.

Source: raspberrypi/documentation, boot-net.adoc and bootflow-*.adoc, and files seen asked for by TFTP. Names
after the first are those of kernels that did not change the device trees' names (Debian's).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bootflow.raspberry_pi.config import effective

Need = tuple[str, ...]  # one of these names is enough


class Family(StrEnum):
    """Models that differ in the files that they need."""

    PI_2 = "Raspberry Pi 2"
    PI_3 = "Raspberry Pi 3"
    PI_3_PLUS = "Raspberry Pi 3+"
    PI_ZERO_2 = "Raspberry Pi Zero 2 W"
    PI_4 = "Raspberry Pi 4"
    PI_400 = "Raspberry Pi 400"
    CM_4 = "Compute Module 4"
    PI_5 = "Raspberry Pi 5"
    PI_500 = "Raspberry Pi 500"
    CM_5 = "Compute Module 5"


class Generation(StrEnum):
    """What the firmware of a family loads first."""

    ROM = "rom"  # the chip's own ROM: bootcode.bin, start.elf
    EEPROM_4 = "eeprom-4"  # start4.elf
    EEPROM_5 = "eeprom-5"  # nothing: all of it is in the EEPROM


@dataclass(frozen=True, slots=True)
class Board:
    """A family's generation, its sections of config.txt, and the device trees that fit it."""

    generation: Generation
    sections: tuple[str, ...]
    device_trees: Need


BOARDS: Mapping[Family, Board] = {
    Family.PI_2: Board(Generation.ROM, ("pi2",), (
        "bcm2710-rpi-2-b.dtb", "bcm2709-rpi-2-b.dtb", "bcm2837-rpi-2-b.dtb", "bcm2836-rpi-2-b.dtb")),
    Family.PI_3: Board(Generation.ROM, ("pi3",), ("bcm2710-rpi-3-b.dtb", "bcm2837-rpi-3-b.dtb")),
    Family.PI_3_PLUS: Board(Generation.ROM, ("pi3", "pi3+"), (
        "bcm2710-rpi-3-b-plus.dtb", "bcm2837-rpi-3-b-plus.dtb")),
    Family.PI_ZERO_2: Board(Generation.ROM, ("pi02",), (
        "bcm2710-rpi-zero-2-w.dtb", "bcm2710-rpi-zero-2.dtb", "bcm2837-rpi-zero-2-w.dtb")),
    Family.PI_4: Board(Generation.EEPROM_4, ("pi4",), ("bcm2711-rpi-4-b.dtb",)),
    Family.PI_400: Board(Generation.EEPROM_4, ("pi4", "pi400"), ("bcm2711-rpi-400.dtb",)),
    Family.CM_4: Board(Generation.EEPROM_4, ("pi4", "cm4"), (
        "bcm2711-rpi-cm4.dtb", "bcm2711-rpi-cm4-io.dtb")),
    Family.PI_5: Board(Generation.EEPROM_5, ("pi5",), ("bcm2712-rpi-5-b.dtb", "bcm2712d0-rpi-5-b.dtb")),
    Family.PI_500: Board(Generation.EEPROM_5, ("pi5", "pi500"), ("bcm2712-rpi-500.dtb",)),
    Family.CM_5: Board(Generation.EEPROM_5, ("pi5", "cm5"), (
        "bcm2712-rpi-cm5-cm5io.dtb", "bcm2712-rpi-cm5-cm4io.dtb", "bcm2712-rpi-cm5.dtb")),
}  # fmt: skip
# In this order: the first that fits a model's name, as /proc/device-tree/model spells it, is its family.
_MODEL_NAMES = (
    (re.compile(r"zero 2", re.IGNORECASE), Family.PI_ZERO_2),
    (re.compile(r"compute module 5|\bcm5", re.IGNORECASE), Family.CM_5),
    (re.compile(r"compute module 4|\bcm4", re.IGNORECASE), Family.CM_4),
    (re.compile(r"\b500", re.IGNORECASE), Family.PI_500),
    (re.compile(r"\b400", re.IGNORECASE), Family.PI_400),
    (re.compile(r"pi 5", re.IGNORECASE), Family.PI_5),
    (re.compile(r"pi 4", re.IGNORECASE), Family.PI_4),
    (re.compile(r"pi 3\+|pi 3 model [ab] ?(plus|\+)|module 3\+|module 3 plus", re.IGNORECASE),
     Family.PI_3_PLUS),
    (re.compile(r"pi 3|module 3", re.IGNORECASE), Family.PI_3),
    (re.compile(r"pi 2", re.IGNORECASE), Family.PI_2),
)  # fmt: skip
_KERNELS: Mapping[Generation, tuple[Need, Need]] = {  # with arm_64bit, and without
    Generation.ROM: (("kernel8.img",), ("kernel7.img", "kernel.img")),
    Generation.EEPROM_4: (("kernel8.img",), ("kernel7l.img", "kernel7.img", "kernel.img")),
    Generation.EEPROM_5: (("kernel_2712.img", "kernel8.img"), ("kernel_2712.img", "kernel8.img")),
}
KERNELS_64 = ("kernel_2712.img", "kernel8.img")
KERNELS_32 = ("kernel7l.img", "kernel7.img", "kernel.img")
_CUT_DOWN_MEMORY_MIB = 16  # gpu_mem=16 lets the firmware take its cut-down build, start_cd.elf


def family_of(model: str) -> Family | None:
    """The family of a model's name: `Raspberry Pi 4 Model B Rev 1.4`. None: not told, or not known."""
    return next((family for pattern, family in _MODEL_NAMES if pattern.search(model)), None)


def missing_files(
    paths: Collection[str], family: Family, *, config: str = "", initramfs: bool = False
) -> list[str]:
    """Names that this family asks for, cannot do without, and would not find. Pure.

    `config` is the config.txt that goes with the files; `initramfs`: the root cannot be reached without one.
    """
    there, settings = frozenset(paths), effective(config, BOARDS[family].sections)
    needs = [*_firmware(family, settings), BOARDS[family].device_trees, _kernel(family, settings)]
    if settings.get("device_tree"):
        needs[-2] = (settings["device_tree"],)
    if "initramfs" in settings:
        needs += [(name,) for name in re.split(r"[\s,]+", settings["initramfs"]) if _is_name(name)]
    elif initramfs:
        needs.append(_automatic_initramfs(there, needs[-1]))
    prefix = settings.get("os_prefix", "")
    missing = [need for need in needs if not any(_found(name, prefix, there) for name in need)]
    return [" or ".join(need) for need in missing] + _missing_readme(there, prefix)


def missing_of_any(
    paths: Collection[str], family: Family | None, *, config: str = "", initramfs: bool = False
) -> list[str]:
    """The same where the model may not be known: what the best served family lacks."""
    wanted = [family] if family else list(Family)
    lists = [missing_files(paths, one, config=config, initramfs=initramfs) for one in wanted]
    return min(lists, key=len)


def _firmware(family: Family, settings: Mapping[str, str]) -> list[Need]:
    generation = BOARDS[family].generation
    if generation is Generation.EEPROM_5:
        return []
    kind = _build(settings)
    if generation is Generation.EEPROM_4:
        return [(f"start4{kind[0]}.elf",), (f"fixup4{kind[0]}.dat",)]
    return [("bootcode.bin",), (f"start{kind[1]}.elf",), (f"fixup{kind[1]}.dat",)]


def _build(settings: Mapping[str, str]) -> tuple[str, str]:
    """Which build of the firmware its config.txt asks for: as in start4x.elf, and as in start_x.elf."""
    if settings.get("start_x") == "1":
        return "x", "_x"
    if settings.get("start_debug") == "1":
        return "db", "_db"
    if settings.get("gpu_mem") == str(_CUT_DOWN_MEMORY_MIB):
        return "cd", "_cd"
    return "", ""


def _kernel(family: Family, settings: Mapping[str, str]) -> Need:
    if settings.get("kernel"):
        return (settings["kernel"],)
    generation = BOARDS[family].generation
    given = settings.get("arm_64bit", "1" if generation is Generation.EEPROM_4 else "0")
    return _KERNELS[generation][0 if given == "1" else 1]


def _automatic_initramfs(there: frozenset[str], kernels: Need) -> Need:
    """auto_initramfs takes the kernel's name: kernel8.img and initramfs8."""
    kernel = next((name for name in kernels if name in there), kernels[0])
    return (kernel.removesuffix(".img").replace("kernel", "initramfs", 1),)


def _is_name(word: str) -> bool:
    """An initramfs line ends with where it is loaded to."""
    return bool(word) and word != "followkernel" and not re.fullmatch(r"0x[0-9a-fA-F]+", word)


def _found(name: str, prefix: str, there: frozenset[str]) -> bool:
    return name in there or f"{prefix}{name}" in there


def _missing_readme(there: frozenset[str], prefix: str) -> list[str]:
    """With os_prefix the firmware takes a folder of overlays for one by its README alone."""
    folder = f"{prefix}overlays/"
    has_overlays = bool(prefix) and any(path.startswith(folder) for path in there)
    return [f"{folder}README"] if has_overlays and f"{folder}README" not in there else []
