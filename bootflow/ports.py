"""What bootflow needs of the daemons and of the host, whoever provides it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObservedDhcp:
    """dnsmasq as it was seen: its configuration file, and the process that serves."""

    config: str | None
    process_id: int | None
    is_current: bool  # the process was started with the configuration file that lies there now


class DhcpServer(Protocol):
    """DHCP, proxy DHCP and TFTP: dnsmasq."""

    def observe(self) -> ObservedDhcp:
        """How it is now."""

    def install(self, config: str) -> None:
        """Put a configuration in place for the next start; a refused one raises ValidationError."""

    def restart(self) -> None:
        """End the running process, which its supervisor starts again; nothing if none runs."""

    def reserve(self, records: Mapping[str, str]) -> None:
        """Keep these addresses for their machines, by a name each; what is new counts at once."""


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface of this host, with its IPv4 addresses in the kernel's order."""

    name: str
    addresses: tuple[IPv4Interface, ...]
    link: str  # up, no carrier, off
    is_default: bool = False  # the default route leads through it


class BootHost(Protocol):
    """The machine that we run on: its addresses, and the boot loaders that it has."""

    def prefix_lengths(self) -> Mapping[tuple[str, IPv4Address], int]:
        """How long the network prefix of each (interface, address) is."""

    def interfaces(self) -> Sequence[Interface]:
        """Every network interface but the loopback."""

    def loader_sources(self) -> Mapping[str, str]:
        """Where each installed boot loader lies, by the name that we serve it under."""

    def stale_loaders(self) -> list[str]:
        """The served names that are missing or differ from what is installed."""

    def copy_loader(self, name: str) -> None:
        """Serve the installed boot loader under its name, whole or not at all. Raises UnavailableError."""


@dataclass(frozen=True, slots=True)
class BootAnswer:
    """What a server tells one kind of machine to boot."""

    client: str  # BIOS PC, UEFI PC, UEFI arm64, Raspberry Pi
    boot_file: str
    next_server: str


@dataclass(frozen=True, slots=True)
class WireServer:
    """A DHCP or PXE server that answered on a wire; ours is one of them."""

    address: str
    mac: str
    hands_out_addresses: bool
    answers: tuple[BootAnswer, ...] = ()

    @property
    def answers_pxe(self) -> bool:
        """Whether it tells machines what to boot."""
        return bool(self.answers)


class Wire(Protocol):
    """What stands on an interface's wire. Each verb raises UnavailableError where it cannot be reached."""

    def look(self, interface: str) -> Sequence[WireServer]:
        """Ask as machines do, a few packets, and say who answered within three seconds or so."""

    def wake(self, interface: str, mac: str) -> None:
        """Send one magic packet, as a frame of its own and as a datagram."""
