"""The boot network: what is served, what was chosen on a page, and whether a choice can be.

The environment's variables come before what is chosen. Mode and pool take effect at once; another interface
does when the launcher has started the services again there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from django.conf import settings

from bootflow.dnsmasq import DhcpMode
from bootflow.models import NetworkChoice, WireLook
from bootflow.ports import Interface
from netboot_site.network_file import KeptChoice, dhcp_of, is_interface_fixed

MODES = {
    DhcpMode.PROXY: "Beside the DHCP server that is here",
    DhcpMode.SERVER: "As the only DHCP server",
    DhcpMode.OFF: "Not at all",
}
Problems = dict[str, str]


@dataclass(frozen=True, slots=True)
class Served:
    """How the boot network is served now."""

    interface: str
    address: str
    dhcp_mode: str
    dhcp_range: str
    awaits: str = ""  # the interface that was chosen and on which the services do not run yet

    @property
    def mode_label(self) -> str:
        """The mode in words."""
        return MODES.get(DhcpMode(self.dhcp_mode), "") if self.dhcp_mode in set(DhcpMode) else ""


def chosen() -> NetworkChoice | None:
    """What was chosen, if anything was."""
    return NetworkChoice.objects.first()


def served(choice: NetworkChoice | None) -> Served:
    """What counts of a choice."""
    interface = str(settings.BOOT_INTERFACE)
    mode, pool = dhcp_of(choice, interface)
    elsewhere = choice is not None and choice.interface != interface and not is_interface_fixed()
    return Served(
        interface, str(settings.BOOT_ADDRESS), mode, pool, choice.interface if choice and elsewhere else ""
    )


def look_of(interface: str) -> WireLook:
    """Who answered on its wire; an empty row where nobody has looked."""
    return WireLook.objects.filter(interface=interface).first() or WireLook(interface=interface)


def completed(wanted: KeptChoice) -> KeptChoice:
    """With the pool that the environment says, where none was given."""
    if wanted.dhcp_range or "DHCP_RANGE" not in settings.NETWORK_FIXED:
        return wanted
    return wanted._replace(dhcp_range=str(settings.DHCP_RANGE))


def refused_by_environment(wanted: KeptChoice) -> Problems:
    """By field: which variable says otherwise."""
    given = {
        "interface": ("BOOT_INTERFACE", str(settings.BOOT_INTERFACE)),
        "dhcp_mode": ("DHCP_MODE", str(settings.DHCP_MODE)),
        "dhcp_range": ("DHCP_RANGE", str(settings.DHCP_RANGE)),
    }
    found = {}
    for field, (variable, value) in given.items():
        fixed = is_interface_fixed() if field == "interface" else variable in settings.NETWORK_FIXED
        if fixed and getattr(wanted, field) != value:
            by = variable if variable in settings.NETWORK_FIXED else "BOOT_ADDRESS"
            found[field] = (
                f"{by} is set in the orchestrator's environment, which comes first, to "
                f"{settings.BOOT_ADDRESS if by == 'BOOT_ADDRESS' else value}: change or remove it there."
            )
    return found


def problems_of(wanted: KeptChoice, interfaces: Iterable[Interface]) -> Problems:
    """By field: why this cannot be."""
    by_name = {interface.name: interface for interface in interfaces}
    interface = by_name.get(wanted.interface)
    found: Problems = {}
    if interface is None:
        there = ", ".join(sorted(by_name)) or "none"
        found["interface"] = f"There is no interface {wanted.interface!r} here; there are: {there}."
    elif not interface.addresses:
        found["interface"] = (
            f"{interface.name} has no IPv4 address: give it one on this host, then choose it."
        )
    if wanted.dhcp_mode not in set(DhcpMode):
        found["dhcp_mode"] = f"The mode is proxy, server or off, not {wanted.dhcp_mode!r}."
    elif wanted.dhcp_mode == DhcpMode.SERVER:
        trouble = _pool_problem(wanted.dhcp_range, interface)
        found |= {"dhcp_range": trouble} if trouble else {}
    return found


def pool_of(text: str) -> tuple[IPv4Address, IPv4Address] | None:
    """`first,last` as addresses; None for anything else."""
    first, _, last = text.replace(" ", "").partition(",")
    try:
        return IPv4Address(first), IPv4Address(last)
    except ValueError:
        return None


def _pool_problem(text: str, interface: Interface | None) -> str:
    example = suggested_pool(interface) if interface else "10.66.0.100,10.66.0.199"
    pool = pool_of(text)
    if pool is None:
        return (
            "As the only DHCP server it needs a pool to hand out: its first and last address, "
            f"for example {example}."
        )
    if pool[0] > pool[1]:
        return f"The pool ends at {pool[1]}, before it begins at {pool[0]}."
    if interface is None or not interface.addresses:
        return ""
    ours = interface.addresses[0]
    network = ours.network
    if pool[0] not in network or pool[1] not in network:
        return f"The pool does not lie in {network}, the network of {interface.name}: for example {example}."
    if pool[0] <= ours.ip <= pool[1]:
        return f"The pool holds our own address {ours.ip}, which must not be handed out: {example} would do."
    ends = {network.network_address, network.broadcast_address} & set(pool)
    if ends and network.prefixlen < 31:
        return f"{ends.pop()} belongs to no machine in {network}: leave it out of the pool."
    return ""


def suggested_pool(interface: Interface) -> str:
    """The larger part of the network beside our own address, at most two hundred machines; may be empty."""
    if not interface.addresses:
        return ""
    ours = interface.addresses[0]
    network = ours.network
    if network.num_addresses < 8:
        return ""
    first, last = network.network_address + 1, network.broadcast_address - 1
    middle = network.network_address + network.num_addresses // 2
    low, high = (middle, last) if ours.ip < middle else (first, middle - 1)
    return f"{low},{min(high, low + 199)}"
