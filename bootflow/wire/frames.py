"""Ethernet frames that we send: questions to DHCP servers, and magic packets. Pure.

RFC 826 (Ethernet), RFC 791 (IPv4), RFC 768 (UDP), RFC 2131 and 2132 (DHCP), RFC 4578 (PXE), AMD 20213
(magic packet).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

BROADCAST = b"\xff" * 6
IPV4, WAKE_ON_LAN = 0x0800, 0x0842
UDP = 17
SERVER_PORT, CLIENT_PORT, WAKE_PORT = 67, 68, 9
MAGIC_COOKIE = bytes([99, 130, 83, 99])
NOWHERE, EVERYWHERE = IPv4Address(0), IPv4Address(0xFFFFFFFF)
# Told as the user class, which servers log: whoever keeps a record of boots can tell it from a machine's.
PROBE_USER_CLASS = "netboot-orchestrator-probe"
_DISCOVER = 1
_BROADCAST_FLAG = 0x8000
_WANTED = bytes([1, 3, 6, 15, 43, 54, 60, 66, 67, 97])
_PI_4_MACHINE_ID = b"\0RPi4\x14\x31\xd0\0\0\0\0\0\0\0\0\0"  # as its bootloader tells: board, then serial
_ANY_MACHINE_ID = b"\0" + b"\xff" * 16


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of machine that asks."""

    name: str
    architecture: int | None = None  # option 93; None: no PXE client, an operating system
    machine_id: bytes = _ANY_MACHINE_ID


PLAIN = Kind("operating system")
BIOS = Kind("BIOS PC", 0)
UEFI = Kind("UEFI PC", 7)
ARM64 = Kind("UEFI arm64", 11)
PI = Kind("Raspberry Pi", 0, _PI_4_MACHINE_ID)
PXE_KINDS = (BIOS, UEFI, ARM64, PI)


def mac_bytes(mac: str) -> bytes:
    """`aa:bb:cc:dd:ee:ff` as it stands in a frame."""
    return bytes.fromhex(mac.replace(":", ""))


def mac_text(address: bytes) -> str:
    """The reverse of it."""
    return address.hex(":")


def discover(kind: Kind, mac: bytes, xid: int) -> bytes:
    """A DHCPDISCOVER, as it stands behind the UDP header; servers are to answer by broadcast."""
    head = struct.pack("!BBBBIHH16x", 1, 1, 6, 0, xid, 0, _BROADCAST_FLAG)
    options = _option(53, bytes([_DISCOVER])) + _option(55, _WANTED) + _option(57, b"\x05\xdc")
    options += _option(77, PROBE_USER_CLASS.encode()) + _pxe_options(kind) + b"\xff"
    return (head + mac.ljust(16, b"\0") + bytes(64 + 128) + MAGIC_COOKIE + options).ljust(300, b"\0")


def _pxe_options(kind: Kind) -> bytes:
    if kind.architecture is None:
        return b""
    vendor_class = f"PXEClient:Arch:{kind.architecture:05}:UNDI:003016".encode()
    told = _option(60, vendor_class) + _option(93, struct.pack("!H", kind.architecture))
    return told + _option(94, b"\x01\x03\x10") + _option(97, kind.machine_id)


def _option(number: int, value: bytes) -> bytes:
    return bytes([number, len(value)]) + value


def magic(mac: bytes) -> bytes:
    """What a sleeping network card listens for."""
    return b"\xff" * 6 + mac * 16


def ethernet(kind: int, source: bytes, payload: bytes) -> bytes:
    """A broadcast frame."""
    return BROADCAST + source + struct.pack("!H", kind) + payload


def udp_frame(source: bytes, sender: IPv4Address, ports: tuple[int, int], payload: bytes) -> bytes:
    """A UDP datagram to everybody on the wire; its checksum is left out, as RFC 768 allows."""
    datagram = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, UDP, 0, sender.packed, EVERYWHERE.packed
    )
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return ethernet(IPV4, source, head + datagram)


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
