"""The serial number of a Raspberry Pi, in our one spelling. Pure."""

from __future__ import annotations

import re

from bootflow.raspberry_pi.paths import fits_mac
from devices.models import DeviceType
from netboot_site.errors import ValidationError

TEXT_MAX = 200
_PI_SERIAL = re.compile(r"[0-9a-f]{8}([0-9a-f]{8})?")


def parse_serial(text: str, *, device_type: str, mac: str) -> str:
    """A device's serial; empty: not known. Raises ValidationError.

    A Raspberry Pi's has 8 hex digits, or 16 as `/proc/cpuinfo` shows them; others are any printable text.
    """
    given = text.strip(" ")
    if device_type != DeviceType.RASPI or not given:
        if len(given) > TEXT_MAX or not given.isprintable():
            raise ValidationError(f"A serial is one line of at most {TEXT_MAX} printable characters.")
        return given
    serial = given.lower().removeprefix("0x")
    if not serial.isascii() or not _PI_SERIAL.fullmatch(serial) or not serial.strip("0"):
        raise ValidationError("A Raspberry Pi's serial has 8 or 16 hex digits, as /proc/cpuinfo shows it.")
    if fits_mac(serial, mac) is False:
        raise ValidationError(
            f"The serial of a Raspberry Pi whose MAC address is {mac} ends in {mac[9:].replace(':', '')}."
        )
    return serial
