"""What a boot's events tell of the Raspberry Pi that made them: serial number, model, bootloader. Pure.

A serial number is told by option 97 of some firmware, and by the folder that the firmware asks for. Whoever
is on the wire can say anything, so what is learnt is weighed against what is known (`weigh`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bootflow.raspberry_pi.advice import OLD_LIMIT, SLOW_SECONDS
from bootflow.raspberry_pi.boards import board_of
from bootflow.raspberry_pi.machine_id import OLD_EEPROM, ROM, ROM_PLUS
from bootflow.raspberry_pi.paths import asked_path, fits_mac

# By the device tree that a firmware asks for first (raspberrypi/documentation, config_txt/boot.adoc).
_MODELS = {
    "bcm2709-rpi-2-b.dtb": "Raspberry Pi 2 Model B", "bcm2710-rpi-2-b.dtb": "Raspberry Pi 2 Model B",
    "bcm2710-rpi-3-b.dtb": "Raspberry Pi 3 Model B", "bcm2837-rpi-3-b.dtb": "Raspberry Pi 3 Model B",
    "bcm2710-rpi-3-b-plus.dtb": "Raspberry Pi 3 Model B Plus",
    "bcm2837-rpi-3-b-plus.dtb": "Raspberry Pi 3 Model B Plus",
    "bcm2710-rpi-cm3.dtb": "Raspberry Pi Compute Module 3",
    "bcm2711-rpi-4-b.dtb": "Raspberry Pi 4 Model B", "bcm2711-rpi-400.dtb": "Raspberry Pi 400",
    "bcm2711-rpi-cm4.dtb": "Raspberry Pi Compute Module 4",
    "bcm2712-rpi-5-b.dtb": "Raspberry Pi 5 Model B", "bcm2712d0-rpi-5-b.dtb": "Raspberry Pi 5 Model B",
    "bcm2712-rpi-500.dtb": "Raspberry Pi 500", "bcm2712-rpi-cm5-cm5io.dtb": "Raspberry Pi Compute Module 5",
}  # fmt: skip
_OF_BOOTLOADER = {
    ROM: "Raspberry Pi 3 Model B",  # or a late Pi 2 Model B, until it asks for its device tree
    ROM_PLUS: "Raspberry Pi 3 Model B Plus",
    OLD_EEPROM: "Raspberry Pi 4",
}
# Of a file that only one family asks for.
_FAMILIES = (
    ("Raspberry Pi 5", ("kernel_2712.img", "initramfs_2712", "armstub8-2712.bin")),
    ("Raspberry Pi 4", ("start4.elf", "recover4.elf", "vl805.sig", "armstub8-gic.bin")),
    ("Raspberry Pi 3", ("bootcode.bin", "bootsig.bin", "start.elf", "recovery.elf")),
)
_FAMILY_OF_CHIP = {"bcm2712": "Raspberry Pi 5", "bcm2711": "Raspberry Pi 4", "bcm2710": "Raspberry Pi 3"}
_FIRST = re.compile(r"^(?:[^/]+/)*(?:start[a-z0-9_]*\.elf|config\.txt)$")
SERIAL_DIGITS = 8  # of the serial, which may have 16: what firmware shows of it


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is to be written of a device: nothing where it says what is known already."""

    serial: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    forget: tuple[str, ...] = ()  # facts that hold no more


@dataclass(frozen=True, slots=True)
class Told:
    """What a boot's events say, taken together."""

    serial: str
    other_serial: str  # a second one that contradicts the first
    facts: dict[str, Any]
    has_kernel: bool = False  # its firmware came to its end


def told_by(events: Iterable[Mapping[str, Any]], mac: str) -> Told:
    """What the facts of a boot's events, oldest first, tell of a Pi with this MAC address."""
    rows = list(events)
    names = [asked_path(str(row["file"])).name for row in rows if row.get("file") and "role" in row]
    revision = _last(rows, "board_revision")
    bootloader = _bootloader(rows)
    serials = list(dict.fromkeys(_serials(rows)))
    own = [serial for serial in serials if fits_mac(serial, mac) is not False]
    others = [serial for serial in serials if serial not in own[:1]]
    facts = {**_model(revision, bootloader, names), "bootloader": bootloader, "asks": _asks(rows)}
    return Told(
        serial=own[0] if own else "",
        other_serial=others[0] if others else "",
        facts={name: value for name, value in facts.items() if value},
        has_kernel=any(row.get("role") == "kernel" and row.get("kind") == "file" for row in rows),
    )


def _asks(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    """How it asks for its files, as far as there is advice about it (advice.py)."""
    files = [row for row in rows if row.get("file") and "role" in row]
    large = [row for row in files if int(row.get("bytes") or 0) > OLD_LIMIT]
    largest: Mapping[str, Any] = max(large, key=lambda row: int(row["bytes"]), default={})
    came = {row["file"] for row in files if row.get("kind") == "file"}
    cut = [row for row in files if row.get("kind") == "file-failed" and row["file"] not in came]
    slow = [row for row in files if float(row.get("seconds") or 0) > SLOW_SECONDS]
    told = {
        **_folder(files),
        "largest": _name(largest),
        "largest_bytes": largest.get("bytes"),
        "slow": _name((cut or slow or [{}])[-1]),
    }
    return {name: value for name, value in told.items() if value}


def _name(row: Mapping[str, Any]) -> str:
    return asked_path(str(row.get("file") or "")).name


def _folder(files: list[Mapping[str, Any]]) -> dict[str, str]:
    """What stands before the names of the firmware that it looks for first."""
    paths = [str(row["file"]) for row in files]
    first = [path for path in paths if _FIRST.match(asked_path(path).name)]
    if any(asked_path(path).prefix for path in paths) or not first:
        return {}
    folder, slash, _ = first[0].rpartition("/")
    return {"folder": "other", "folder_name": folder} if slash else {"folder": "none"}


def _serials(rows: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """Those of option 97 before those of folders that were asked for."""
    kept = list(rows)
    yield from (str(row["serial"]) for row in kept if row.get("serial"))
    yield from (str(row["serial_asked"]) for row in kept if row.get("serial_asked"))


def _last(rows: list[Mapping[str, Any]], name: str) -> str:
    return next((str(row[name]) for row in reversed(rows) if row.get(name)), "")


def _bootloader(rows: list[Mapping[str, Any]]) -> str:
    """The ROM of a Pi 3 says that it is one; bootcode.bin, which it loads, asks anew and tells a serial."""
    is_rom = any(row.get("bootloader") == ROM for row in rows)
    return ROM if is_rom else _last(rows, "bootloader")


def _model(revision: str, bootloader: str, names: list[str]) -> dict[str, Any]:
    board = board_of(int(revision, 16)) if revision else None
    if board is not None:
        return {
            "model": board.model, "product": board.model, "family": board.family,
            "board_revision": revision, "memory_mib": board.memory_mib,
        }  # fmt: skip
    tree = next((name for name in names if name in _MODELS), "")
    family = _family(names)
    model = _MODELS.get(tree) or _OF_BOOTLOADER.get(bootloader) or family
    return {"model": model, "product": model, "family": family, "board_revision": revision}


def _family(names: list[str]) -> str:
    chip = next((_FAMILY_OF_CHIP[name[:7]] for name in names if name[:7] in _FAMILY_OF_CHIP), "")
    return chip or next((family for family, only in _FAMILIES if set(only) & set(names)), "")


def weigh(told: Told, *, serial: str, facts: Mapping[str, Any], is_enrolled: bool, is_taken: bool) -> Learnt:
    """What of it is written to a device that has this serial and these facts.

    Nobody has approved a discovered device: the newest word about it counts. Of an enrolled one only what is
    not known is filled in, and not with a serial number that another device has (`is_taken`).
    """
    kept, seen = _weigh_serial(told, serial, is_enrolled, is_taken)
    filled = {
        name: value
        for name, value in told.facts.items()
        if facts.get(name) != value and (not is_enrolled or _may_change(name, facts))
    }
    if seen and facts.get("serial_seen") != seen:
        filled["serial_seen"] = seen
    settled = {
        "serial_seen": not seen and told.serial != "",
        "asks": told.has_kernel and "asks" not in told.facts,
    }
    return Learnt(kept, filled, tuple(name for name, is_so in settled.items() if is_so and name in facts))


def _weigh_serial(told: Told, serial: str, is_enrolled: bool, is_taken: bool) -> tuple[str | None, str]:
    """The serial to write (None: as it is), and one that contradicts it."""
    same = serial[-SERIAL_DIGITS:] == told.serial
    if not told.serial or same:
        return None, told.other_serial
    if is_enrolled and (serial or is_taken):
        return None, told.serial
    return told.serial, told.other_serial


def _may_change(name: str, facts: Mapping[str, Any]) -> bool:
    """A bootloader is changed now and then; a board stays what it is, and is only told more exactly."""
    return name in ("bootloader", "asks") or not facts.get(name) or not facts.get("board_revision")
