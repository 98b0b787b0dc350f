"""What option 97 (client machine id) of a Raspberry Pi says, as dnsmasq logs it. Pure, and it never raises.

dnsmasq writes 14 octets and then three dots. Layouts: raspberrypi/documentation, DHCP_OPTION97 in
eeprom-bootloader.adoc (FourCC, board revision, last four octets of the MAC address, serial; the first two
little endian) and boot-net.adoc (the ROM of a Pi 2 and 3B: a constant; before and without the FourCC: the
serial four times, little endian, as a Pi 3B+ was seen to send it).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bootflow.raspberry_pi.boards import Board, board_of
from bootflow.raspberry_pi.paths import fits_mac

_OCTETS = re.compile(r"^[0-9a-f]{2}(?::[0-9a-f]{2}){13,16}(?:\.\.\.)?$")
_NO_SERIAL = b"\x44\x44\x44\x44"
ROM = "the boot ROM of a Pi 2 or 3 Model B"
ROM_PLUS = "the boot ROM of a Pi 3 Model B Plus"
EEPROM = "a bootloader EEPROM that tells its board (option 97 by FourCC)"
OLD_EEPROM = "a bootloader EEPROM of before 2020, or with DHCP_OPTION97=0 (option 97 is the serial alone)"


@dataclass(frozen=True, slots=True)
class MachineId:
    """Who a Pi says that it is; what it does not tell is empty."""

    bootloader: str
    board: Board | None = None
    revision: str = ""
    serial: str = ""


def machine_id_of(text: str, mac: str) -> MachineId | None:
    """What `00:52:50:69:34:...` says; None for what is no Raspberry Pi's."""
    if not _OCTETS.match(text):
        return None
    body = bytes.fromhex(text.removesuffix("...").replace(":", ""))[1:]
    if body.startswith(b"RPi"):
        revision = int.from_bytes(body[4:8], "little")
        return MachineId(EEPROM, board_of(revision), f"{revision:06x}")
    word = body[:4]
    if not (word * 4).startswith(body[:16]) or word == bytes(4):
        return None
    if word == _NO_SERIAL:
        return MachineId(ROM)
    serial = word[::-1].hex()
    return MachineId({True: ROM_PLUS, False: "", None: OLD_EEPROM}[fits_mac(serial, mac)], serial=serial)
