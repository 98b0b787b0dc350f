"""What a machine says of itself in a query string: bounded, printable, never trusted."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from devices.models import DeviceType, Firmware

QUERY_LENGTH = 8192
FACT_LENGTH = 200
RETRY_LIMIT = 1_000_000
FACTS = (
    "uuid",
    "serial",
    "asset",
    "manufacturer",
    "product",
    "arch",
    "buildarch",
    "platform",
    "memory",
    "version",
)
_FIRMWARE = {"pcbios": Firmware.BIOS, "efi": Firmware.UEFI}


def parse_query(text: str) -> dict[str, str]:
    """The fields of a query string, printable and cut; the first of two equal names counts.

    iPXE of 2019 sends `&` in free text as it is, so what follows it must not replace an earlier field.
    """
    fields: dict[str, str] = {}
    octets = text[:QUERY_LENGTH].encode("latin-1", errors="replace")  # PEP 3333: an octet is a latin-1 sign
    for pair in octets.split(b"&"):
        name, _, value = pair.partition(b"=")
        if value and (key := name.decode("latin-1")) not in fields:
            fields[key] = clean(unquote_to_bytes(value).decode(errors="replace"))
    return fields


def clean(text: str) -> str:
    """One printable line, cut: PostgreSQL takes no NUL, and a person reads it."""
    return "".join(sign for sign in text[:FACT_LENGTH] if sign.isprintable()).strip()


def facts_of(fields: dict[str, str]) -> dict[str, str]:
    """What is kept of a machine's own words."""
    return {name: fields[name] for name in FACTS if fields.get(name)}


def firmware_of(fields: dict[str, str]) -> str:
    """What started it, as iPXE's `platform` tells."""
    return _FIRMWARE.get(fields.get("platform", ""), "")


def device_type_of(fields: dict[str, str]) -> str:
    """The type it gave, else the one that its processor implies; empty if neither is known."""
    given = fields.get("device_type", "")
    if given in DeviceType.values:
        return given
    if "Raspberry Pi" in fields.get("manufacturer", "") or fields.get("arch", "").startswith("arm"):
        return DeviceType.RASPI
    return {"x86_64": DeviceType.X64, "i386": DeviceType.X86}.get(fields.get("arch", ""), "")


def retry_of(fields: dict[str, str]) -> int:
    """How often it has asked before, in this boot."""
    text = fields.get("retry", "")
    return min(int(text), RETRY_LIMIT) if text.isascii() and text.isdigit() and len(text) < 10 else 0
