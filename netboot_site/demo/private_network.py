"""The demonstration's own wire: a namespace with the virtual PC, and a cable from it to this machine."""

from __future__ import annotations

import json
from ipaddress import IPv4Network

from netboot_site.demo.netns import BRIDGE, Namespace, add_cable, remove_interface
from netboot_site.errors import UnavailableError
from netboot_site.system import run

NAMESPACE = Namespace("nbdemo")
INTERFACE = "nbdemo0"  # our end of the cable
TAP = "nbdemotap"
_CANDIDATES = [IPv4Network(f"10.254.{number}.0/24") for number in range(1, 255)]


def free_network(taken: list[IPv4Network]) -> IPv4Network:
    """A network that overlaps none of those that this machine reaches already."""
    for candidate in _CANDIDATES:
        if not any(candidate.overlaps(network) for network in taken):
            return candidate
    raise UnavailableError("No network 10.254.x.0/24 is free on this machine for the demonstration.")


def reached_networks() -> list[IPv4Network]:
    """The networks in this machine's routing table, without the default route."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]).stdout or "[]")
    names = [str(route.get("dst", "default")) for route in routes]
    return [IPv4Network(name, strict=False) for name in names if name != "default"]


def build(network: IPv4Network) -> None:
    """Make the wire, with `.1` as this machine's address on it."""
    NAMESPACE.create()
    NAMESPACE.add_bridge()
    NAMESPACE.add_tap(TAP)
    address = f"{network.network_address + 1}/{network.prefixlen}"
    add_cable(NAMESPACE, "nbcable", INTERFACE, None, address)


def answer_for(mac: str) -> None:
    """Take the place of a PC that has lost its power: the kernel then resets the connections it had.

    Without it the target server would hold its disk until three of its probes, 5 s apart, were not answered.
    """
    known = run(["ip", "-4", "neighbour", "show", "dev", INTERFACE]).stdout.splitlines()
    addresses = [line.split()[0] for line in known if mac in line]
    if addresses and NAMESPACE.exists():
        NAMESPACE.ip("link", "set", BRIDGE, "address", mac)
        for address in addresses:
            NAMESPACE.ip("address", "replace", f"{address}/24", "dev", BRIDGE)


def remove() -> None:
    """Remove the wire and all that runs on it; nothing happens if it is not there."""
    NAMESPACE.remove()
    remove_interface(INTERFACE)
