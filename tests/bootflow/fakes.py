"""Fakes of bootflow's ports: one that works, one that is broken, and a host without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface

from bootflow.ports import Interface, ObservedDhcp, WireServer
from netboot_site.errors import UnavailableError, ValidationError

LOADERS = ("undionly.kpxe", "snponly.efi", "ipxe.efi")


@dataclass
class FakeDhcpServer:
    """A DHCP server in memory, with a supervisor that starts it again at once."""

    config: str | None = None
    process_id: int | None = 100
    served: str | None = None
    restarts: int = 0
    reserved: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.served = self.config

    def observe(self) -> ObservedDhcp:
        is_current = self.process_id is not None and self.served == self.config
        return ObservedDhcp(self.config, self.process_id, is_current)

    def install(self, config: str) -> None:
        if "no-such-option" in config:
            raise ValidationError("dnsmasq refuses its new configuration and keeps the old one: bad option")
        self.config = config

    def restart(self) -> None:
        if self.process_id is not None:
            self.restarts += 1
            self.process_id += 1
            self.served = self.config

    def reserve(self, records: Mapping[str, str]) -> None:
        self.reserved = dict(records)


class BrokenDhcpServer(FakeDhcpServer):
    """One whose program is not installed."""

    def install(self, config: str) -> None:
        raise UnavailableError("The program dnsmasq is not installed on this host.")


@dataclass
class FakeHost:
    """A host with an address, and with boot loaders or without."""

    prefixes: Mapping[tuple[str, IPv4Address], int] = field(
        default_factory=lambda: {("eth0", IPv4Address("10.66.0.1")): 24}
    )
    installed: tuple[str, ...] = LOADERS
    stale: list[str] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)

    def prefix_lengths(self) -> Mapping[tuple[str, IPv4Address], int]:
        return self.prefixes

    def interfaces(self) -> list[Interface]:
        return [
            Interface("eth0", (IPv4Interface("10.66.0.1/24"),), "up", is_default=True),
            Interface("eth1", (IPv4Interface("10.77.0.200/24"), IPv4Interface("10.78.0.1/24")), "no carrier"),
            Interface("eth2", (), "off"),
        ]

    def loader_sources(self) -> Mapping[str, str]:
        return {name: f"/usr/lib/ipxe/{name}" for name in self.installed}

    def stale_loaders(self) -> list[str]:
        return list(self.stale)

    def copy_loader(self, name: str) -> None:
        self.copied.append(name)
        self.stale.remove(name)


@dataclass
class FakeWire:
    """A wire with these servers on it; `broken` tells of each interface why it cannot be used."""

    servers: tuple[WireServer, ...] = ()
    broken: dict[str, str] = field(default_factory=dict)
    looked: list[str] = field(default_factory=list)
    woken: list[tuple[str, str]] = field(default_factory=list)

    def look(self, interface: str) -> tuple[WireServer, ...]:
        self._check(interface)
        self.looked.append(interface)
        return self.servers

    def wake(self, interface: str, mac: str) -> None:
        self._check(interface)
        self.woken.append((interface, mac))

    def _check(self, interface: str) -> None:
        if interface in self.broken:
            raise UnavailableError(self.broken[interface])
