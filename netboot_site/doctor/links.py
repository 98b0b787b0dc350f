"""The boot interface: is it there, up, with a cable and with the address that machines are told?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from netboot_site import system
from netboot_site.doctor.findings import NETWORK, START, Finding, Subject
from netboot_site.doctor.place import Place
from netboot_site.errors import UnavailableError

SUBJECT = Subject(
    "interface", NETWORK, "Boot interface",
    "Machines are answered on this interface alone, and every script names this address.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface of this host."""

    is_up: bool
    has_carrier: bool
    addresses: tuple[str, ...] = ()  # IPv4, with their prefix: 10.66.0.1/24
    by_dhcp: tuple[str, ...] = ()  # those that will not stay for ever

    def has(self, address: str) -> bool:
        """Whether one of them is this, whatever its prefix."""
        return address in {text.partition("/")[0] for text in self.addresses}


def read_links() -> Mapping[str, Link]:
    """All of them by name. Raises UnavailableError."""
    done = system.run(["ip", "-json", "address", "show"], timeout_seconds=2, env=system.PLAIN)
    if done.exit_code != 0:
        raise UnavailableError("The network interfaces cannot be listed.")
    return parse_links(done.stdout)


def parse_links(text: str) -> Mapping[str, Link]:
    """What `ip -json address show` prints. Pure."""
    found = {}
    for entry in filter(None, json.loads(text or "[]")):
        flags = entry.get("flags", [])
        held = [one for one in entry.get("addr_info", []) if one.get("family") == "inet"]
        spelled = [(f"{one['local']}/{one['prefixlen']}", bool(one.get("dynamic"))) for one in held]
        found[str(entry["ifname"])] = Link(
            is_up="UP" in flags,
            has_carrier="LOWER_UP" in flags or "LOOPBACK" in flags,
            addresses=tuple(address for address, _ in spelled),
            by_dhcp=tuple(address for address, dynamic in spelled if dynamic),
        )
    return found


def judge_links(place: Place, links: Mapping[str, Link]) -> list[Finding]:
    """One finding. Pure."""
    name, address = place.interface, place.address
    link = links.get(name)
    if link is None:
        others = ", ".join(sorted(links)) or "none"
        first = next((one for one in sorted(links) if one != "lo"), "eth0")
        what = f"There is no interface {name or '(none is set)'} on this host; there are: {others}."
        return [SUBJECT.bad(what, f"BOOT_INTERFACE={first} {START}")]
    if not link.is_up:
        return [SUBJECT.bad(f"{name} is switched off.", f"sudo ip link set dev {name} up")]
    if not link.has(address):
        held = ", ".join(link.addresses) or "none"
        what = f"{name} does not have the address {address or '(none is set)'}; it has: {held}."
        return [SUBJECT.bad(what, f"sudo ip address add {address or '10.0.0.1'}/24 dev {name}")]
    return [_judge_used(place, link)]


def _judge_used(place: Place, link: Link) -> Finding:
    name = place.interface
    if not link.has_carrier:
        return SUBJECT.bad(
            f"{name} has no carrier: its cable is out, or the switch is off.", f"ip link show {name}"
        )
    spelled = next(text for text in link.addresses if text.partition("/")[0] == place.address)
    if place.dhcp_mode == "server" and spelled in link.by_dhcp:
        what = f"{name} has its address {spelled} by DHCP, and is itself to be the DHCP server there."
        why = "The address changes when whoever gave it says so, and machines are then sent to nobody."
        return SUBJECT.warning(what, f"sudo ip address replace {spelled} dev {name}", why)
    return SUBJECT.good(f"{name} is up, with the address {spelled}.")
