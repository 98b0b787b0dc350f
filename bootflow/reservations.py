"""Addresses kept for Raspberry Pis whose ROM takes what it is offered and never asks for it.

A Pi 2 or 3B sends no DHCPREQUEST. dnsmasq therefore has no lease for it, and may offer its address to
another machine too: of 30 started together in a pool of 51, 5 were seen to share one and fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from zlib import crc32

# A Pi 3B+ has such an address too, and asks as it should; the two cannot be told apart.
MAC_PREFIX = "b8:27:eb:"
_LEFT = 4  # one address in so many of the pool stays for others


def reservations(macs: Iterable[str], pool: tuple[IPv4Address, IPv4Address]) -> Mapping[str, IPv4Address]:
    """An address for each, in this order: nobody's changes when another is added at the end."""
    size = int(pool[1]) - int(pool[0]) + 1
    taken: dict[int, str] = {}
    for mac in macs:
        if len(taken) >= size - size // _LEFT - 1:
            break
        place = crc32(mac.encode()) % size
        while place in taken:
            place = (place + 1) % size
        taken[place] = mac
    return {mac: pool[0] + place for place, mac in taken.items()}


def host_records(kept: Mapping[str, IPv4Address]) -> dict[str, str]:
    """dnsmasq's records (dhcp-host), one file each, by the file's name."""
    return {mac.replace(":", ""): f"{mac},{address}\n" for mac, address in kept.items()}
