"""What the path of a TFTP request tells of the Raspberry Pi that asks. Pure.

A firmware puts its serial number or its MAC address before each name (TFTP_PREFIX,
raspberrypi/documentation, eeprom-bootloader.adoc): `9ffefdef/start4.elf`, `dc-a6-32-01-36-c2/start4.elf`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SERIAL = re.compile(r"^[0-9a-f]{8}$")
_MAC = re.compile(r"^[0-9a-f]{2}(?:-[0-9a-f]{2}){5}$")
_SERIAL_IN_MAC = "b827eb"  # boards up to the Pi 3: the address ends with the serial's last six digits


@dataclass(frozen=True, slots=True)
class AskedPath:
    """A path below the TFTP root, taken apart."""

    prefix: str  # the first folder, if it names a device
    name: str  # what follows: `start4.elf`, `overlays/disable-bt.dtbo`

    @property
    def serial(self) -> str:
        """The serial number that the prefix is; empty if it is none."""
        return self.prefix if _SERIAL.match(self.prefix) and self.prefix != "0" * 8 else ""

    @property
    def mac(self) -> str:
        """The MAC address that the prefix is; empty if it is none."""
        return self.prefix.replace("-", ":") if _MAC.match(self.prefix) else ""


def asked_path(path: str) -> AskedPath:
    """`9ffefdef/start4.elf` as prefix and name; a prefix that names no device stays part of the name."""
    prefix, slash, name = path.partition("/")
    if slash and (_SERIAL.match(prefix) or _MAC.match(prefix)):
        return AskedPath(prefix, name.lstrip("/"))
    return AskedPath("", path)


def fits_mac(serial: str, mac: str) -> bool | None:
    """Whether a serial can be that of the board with this MAC address; None: they have no relation."""
    digits = mac.replace(":", "")
    return serial[-6:] == digits[6:] if digits.startswith(_SERIAL_IN_MAC) else None
