"""Which interface and address devices reach us at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from netboot_site import system
from netboot_site.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class BootEndpoint:
    """The interface that devices boot through, and our address on it."""

    interface: str
    address: str


def _ip(*words: str) -> list[dict[str, Any]]:
    done = system.run(["ip", "-json", *words])
    entries = json.loads(done.stdout or "[]") if done.exit_code == 0 else []
    return [entry for entry in entries if entry]  # iproute2 prints [{}] for "nothing"


def default_interface(routes: list[dict[str, Any]]) -> str:
    """The interface of the default route with the lowest metric; empty if there is none."""
    usable = [route for route in routes if route.get("dev")]
    return str(min(usable, key=lambda route: route.get("metric", 0))["dev"]) if usable else ""


def addresses_of(interfaces: list[dict[str, Any]]) -> dict[str, list[str]]:
    """IPv4 addresses of each interface, in the kernel's order."""
    found: dict[str, list[str]] = {}
    for interface in interfaces:
        inet = [a["local"] for a in interface.get("addr_info", []) if a.get("family") == "inet"]
        found.setdefault(interface["ifname"], []).extend(inet)
    return found


def choose(wanted: BootEndpoint, default: str, addresses: dict[str, list[str]]) -> BootEndpoint:
    """Fill in what BOOT_INTERFACE and BOOT_ADDRESS leave open. Raises UnavailableError."""
    holders = [name for name, held in addresses.items() if wanted.address in held]
    interface = wanted.interface or next(iter(holders), "") or default
    if wanted.interface and wanted.interface not in addresses:
        there = ", ".join(sorted(addresses))
        raise UnavailableError(f"BOOT_INTERFACE: there is no interface {interface} here; there are: {there}.")
    if not interface:
        raise UnavailableError(
            "There is no default route to tell which network devices boot from: set BOOT_INTERFACE."
        )
    held = addresses.get(interface, [])
    if wanted.address and wanted.address not in held:
        raise UnavailableError(
            f"BOOT_ADDRESS: {interface} does not have the address {wanted.address}; "
            f"it has: {', '.join(held) or 'none'}."
        )
    if not held:
        raise UnavailableError(f"The interface {interface} has no IPv4 address: give it one, then try again.")
    return BootEndpoint(interface, wanted.address or held[0])


def resolve(interface: str, address: str) -> BootEndpoint:
    """The endpoint for these settings, on this host as it is now."""
    default = default_interface(_ip("-4", "route", "show", "default"))
    return choose(BootEndpoint(interface, address), default, addresses_of(_ip("address", "show")))
