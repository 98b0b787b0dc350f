"""Spellings that more than one room needs: MAC addresses, sizes, names. Pure functions."""

from __future__ import annotations

import re

from netboot_site.errors import ValidationError

GIB = 1024**3
MAC_PATTERN = r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$"
NAME_MAX_LENGTH = 200
_MAC_SPELLINGS = (
    re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$"),
    re.compile(r"^([0-9a-f]{2}-){5}[0-9a-f]{2}$"),
    re.compile(r"^([0-9a-f]{4}\.){2}[0-9a-f]{4}$"),
    re.compile(r"^[0-9a-f]{12}$"),
)
_CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32 signs, none that looks like another


def parse_mac(text: str) -> str:
    """Any usual spelling of a device's MAC address as `aa:bb:cc:dd:ee:ff`.

    Raises ValidationError for what is no MAC address, for a multicast one and for all zeros.
    """
    spelling = text.strip().lower()
    if len(text) > 64 or not any(pattern.match(spelling) for pattern in _MAC_SPELLINGS):
        raise ValidationError("This is no MAC address; write it like 52:54:00:12:34:56.")
    digits = re.sub(r"[^0-9a-f]", "", spelling)
    if int(digits[:2], 16) & 1:  # IEEE 802: the lowest bit of the first octet marks a group address
        raise ValidationError("This is a multicast MAC address; a device has a unicast one.")
    if digits == "0" * 12:
        raise ValidationError("A MAC address of all zeros belongs to no device.")
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def mac_hex(mac: str) -> str:
    """`aa:bb:cc:dd:ee:ff` as `aabbccddeeff`, as it stands in IQNs."""
    return mac.replace(":", "")


def mac_of_hex(digits: str) -> str:
    """`aabbccddeeff` as `aa:bb:cc:dd:ee:ff`."""
    return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2))


def device_code(mac: str) -> str:
    """The short code that a machine's console shows, so that a person finds it among others: `7K4Q`."""
    value = int(mac_hex(mac), 16) * 0x9E3779B1 & 0xFFFFFFFF  # Knuth's multiplicative hash spreads neighbours
    return "".join(_CODE_ALPHABET[value >> shift & 31] for shift in (27, 22, 17, 12))


def clean_name(text: str) -> str:
    """A display name: 1 to 200 printable characters on one line. Raises ValidationError."""
    name = text.strip(" ")  # a line end is refused below, and not taken away unseen
    if not name:
        raise ValidationError("A name is needed.")
    if len(name) > NAME_MAX_LENGTH:
        raise ValidationError(f"A name has at most {NAME_MAX_LENGTH} characters.")
    if any(not sign.isprintable() for sign in name):
        raise ValidationError("A name stands on one line, without control characters.")
    if "${" in name:
        raise ValidationError("A name cannot hold ${, which boot scripts would expand.")
    return name
