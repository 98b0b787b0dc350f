"""What is known to go wrong with a Raspberry Pi's bootloader, and the remedy, in plain words. Pure.

Limits and settings: raspberrypi/documentation (boot-net.adoc, eeprom-bootloader.adoc), release notes of
rpi-eeprom (firmware-2711 and -2712).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bootflow.raspberry_pi.machine_id import EEPROM, OLD_EEPROM, ROM, ROM_PLUS
from devices.models import Device, DeviceType

# A TFTP block number has 16 bits; EEPROMs count on beyond it only from the release of this day on.
COUNTS_ON_FROM = "2025-09-23"
_BLOCKS_MAX = 65_535
_OLD_BLOCK, _NEW_BLOCK = 1024, 1468  # bytes of a block that older and newer bootloaders ask for
OLD_LIMIT, NEW_LIMIT = _BLOCKS_MAX * _OLD_BLOCK, _BLOCKS_MAX * _NEW_BLOCK
SLOW_SECONDS = 20  # of the 30 s that TFTP_FILE_TIMEOUT grants a file
_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to know or to do."""

    title: str
    text: str


def advice_of(device: Device) -> list[Advice]:
    """What there is to say to a device's owner; nothing of a PC's."""
    if device.device_type != DeviceType.RASPI:
        return []
    return advice_for(device.facts, was_seen=device.last_seen_at is not None)


def advice_for(facts: Mapping[str, Any], *, was_seen: bool) -> list[Advice]:
    """Of a Raspberry Pi with these facts (Device.facts); `was_seen`: it has asked to boot at least "
    "once."""
    bootloader = str(facts.get("bootloader") or "")
    asks = facts.get("asks")
    given = asks if isinstance(asks, Mapping) else {}
    found = [*_unseen(was_seen), *_serials(facts), *_folder(given), *_files(given)]
    return [*found, *_of_rom(bootloader), *_of_eeprom(bootloader)]


def _unseen(was_seen: bool) -> Iterator[Advice]:
    if was_seen:
        return
    yield Advice(
        "It has not asked to boot yet",
        "A Pi 4, 400, 5 or Compute Module asks the network only if the digit 2 is in its BOOT_ORDER: set "
        "it with raspi-config (Advanced, Boot Order, Network) or rpi-eeprom-config, for example 0xf21 "
        "(card, then network, then again). A Pi 3 Model B+ asks by itself when it has no card. A Pi 2 "
        "(1.2) or 3 Model B needs program_usb_boot_mode=1 in the config.txt of a card once; that cannot be"
        " undone. An older Pi needs a card with bootcode.bin alone. Only the built-in Ethernet socket "
        "counts.",
    )


def _serials(facts: Mapping[str, Any]) -> Iterator[Advice]:
    seen = facts.get("serial_seen")
    if seen:
        yield Advice(
            "It tells another serial number",
            f"Something at its MAC address asks as {seen}, which is not the serial number that is kept "
            "here, or which another device has. If the board was exchanged, enter its own serial number; "
            "if not, look for a second device with this MAC address.",
        )


def _folder(asks: Mapping[str, Any]) -> Iterator[Advice]:
    kind, name = asks.get("folder"), asks.get("folder_name")
    if kind == "other":
        yield Advice(
            "It asks for a folder of somebody's choice",
            f"Its bootloader asks for the folder {name} (TFTP_PREFIX=1 with TFTP_PREFIX_STR), and devices "
            "are served by serial number and by MAC address. Set TFTP_PREFIX=0 or TFTP_PREFIX=2 with "
            "rpi-eeprom-config.",
        )
    if kind == "none":
        yield Advice(
            "It asks for no folder of its own",
            "Its bootloader asks for files without its serial number before them, so it gets what every "
            "unknown Raspberry Pi gets. Set TFTP_PREFIX=0 with rpi-eeprom-config, and leave "
            "TFTP_PREFIX_STR away.",
        )


def _files(asks: Mapping[str, Any]) -> Iterator[Advice]:
    name, size = str(asks.get("largest") or "A file"), int(asks.get("largest_bytes") or 0)
    if size > OLD_LIMIT:
        limit = NEW_LIMIT if size > NEW_LIMIT else OLD_LIMIT
        block = _NEW_BLOCK if size > NEW_LIMIT else _OLD_BLOCK
        yield Advice(
            "A file is too large for older bootloaders",
            f"{name} has {size // _MIB} MiB. A bootloader from before {COUNTS_ON_FROM} cannot fetch more "
            f"than {limit // _MIB} MiB in blocks of {block} bytes (TFTP counts 65,535 of them). Update the "
            "bootloader, or make the file smaller: in the image, MODULES=dep and COMPRESS=xz in "
            "/etc/initramfs-tools/initramfs.conf, then update-initramfs -u.",
        )
    if asks.get("slow"):
        yield Advice(
            "A file takes longer than its bootloader may wait",
            f"{asks['slow']} did not arrive whole, or took more than {SLOW_SECONDS} s; a bootloader gives a"
            " file up after 30 s. Set TFTP_FILE_TIMEOUT=300000 with rpi-eeprom-config, and check the "
            "network's speed.",
        )


def _of_rom(bootloader: str) -> Iterator[Advice]:
    if bootloader == ROM:
        yield Advice(
            "Its boot ROM tries for 25 seconds",
            "It asks five times, five seconds apart, and then sleeps until its power is cut. A switch that"
            " holds a port back for spanning tree (30 s) makes it miss every answer: set the port to "
            "forward at once (portfast, edge port). A card with bootcode.bin alone gives it more time and "
            "fewer faults. The three spaces that it needs after “Raspberry Pi Boot” are sent.",
        )
    if bootloader == ROM_PLUS:
        yield Advice(
            "Its boot ROM gives up early",
            "A switch that holds a port back for spanning tree (30 s) can make it miss every answer: set "
            "the port to forward at once (portfast, edge port).",
        )


def _of_eeprom(bootloader: str) -> Iterator[Advice]:
    if bootloader == OLD_EEPROM:
        yield Advice(
            "Its bootloader is old, or set to tell little",
            "It tells its serial number in option 97 and not its board: its bootloader is from before "
            "2020, or DHCP_OPTION97=0 is set. It boots like this while its MAC address is known as a "
            "Raspberry Pi's. Update the bootloader, and take DHCP_OPTION97 out of its settings.",
        )
    if bootloader in (EEPROM, OLD_EEPROM):
        yield Advice(
            "So that it tries again",
            "With f as the first digit of its BOOT_ORDER (0xf2: network only; 0xf21: card, then network) a"
            " bootloader starts over when nothing answered: a switch that holds the port back for spanning"
            " tree then costs one round and not the boot. Without it, it asks once and stops "
            "(NET_BOOT_MAX_RETRIES=0).",
        )
