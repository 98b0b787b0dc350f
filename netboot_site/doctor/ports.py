"""The ports that machines and people reach us at: are they held, and by us?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netboot_site.doctor.findings import NETWORK, START, Finding, Subject, log_of
from netboot_site.doctor.place import Place
from netboot_site.doctor.sockets import Holder, Listening

_ANY = {"0.0.0.0", "::"}  # noqa: S104  # compared with, not bound
_LOCAL_ONLY = ("127.", "::1")


@dataclass(frozen=True, slots=True)
class WantedPort:
    """A port, whose it is to be and where it is to be reached."""

    number: int
    is_udp: bool
    program: str
    address: str
    purpose: str
    why: str

    @property
    def name(self) -> str:
        """`UDP port 67 (DHCP)`."""
        return f"{'UDP' if self.is_udp else 'TCP'} port {self.number} ({self.purpose})"

    @property
    def subject(self) -> Subject:
        """As the doctor's page lists it."""
        kind = "udp" if self.is_udp else "tcp"
        title = f"Port {self.number}: {self.purpose}"
        return Subject(f"port-{kind}-{self.number}", NETWORK, title, self.why)


def wanted_ports(place: Place, *, has_further_networks: bool) -> list[WantedPort]:
    """Those of the programs that belong to this installation."""
    pages = "People and programs reach pages and REST API there."
    found = [
        WantedPort(place.api_port, False, "nginx", place.address, "pages and API", pages),
        WantedPort(place.dashboard_port, False, "nginx", place.address, "dashboard", pages),
        WantedPort(
            place.boot_http_port, False, "nginx", place.address, "boot files",
            "Machines fetch their boot script, kernels and installers there.",
        ),
        WantedPort(
            place.iscsi_port, False, "tgtd", place.address, "iSCSI",
            "Machines reach their disks there; without it none starts, and those that run stand still.",
        ),
    ]  # fmt: skip
    serves = place.dhcp_mode != "off" or has_further_networks
    return found + (_boot_ports(place) if place.serves_boot and serves else [])


def _boot_ports(place: Place) -> list[WantedPort]:
    found = [
        WantedPort(
            67, True, "dnsmasq", place.address, "DHCP",
            "A machine that is switched on asks there for an address and for what to boot.",
        ),
        WantedPort(69, True, "dnsmasq", place.address, "TFTP", "Firmware fetches its boot loader there."),
    ]  # fmt: skip
    if place.dhcp_mode == "proxy":
        why = "UEFI firmware asks there which boot loader to fetch, beside another DHCP server."
        found.append(WantedPort(4011, True, "dnsmasq", place.address, "proxy DHCP", why))
    return found


def judge_ports(wanted: Iterable[WantedPort], seen: Listening) -> list[Finding]:
    """A finding for each port. Pure."""
    held = {
        port: [one for one in seen.holders if (one.is_udp, one.port) == (port.is_udp, port.number)]
        for port in wanted
    }
    return [_judge(port, holders, seen.running) for port, holders in held.items()]


def _judge(port: WantedPort, holders: list[Holder], running: frozenset[str]) -> Finding:
    here = [one for one in holders if one.address in {port.address, *_ANY}]
    ours = [one for one in here if one.is_ours]
    if ours:
        others = [one for one in here if one.is_ours is False]
        beside = f" {others[0].words} holds it too, for another interface." if others else ""
        return port.subject.good(f"{port.program} listens at {_where(ours)}.{beside}")
    strangers = [one for one in here if not one.is_ours]
    if strangers:
        return _taken(port, strangers[0])
    if holders:
        return _elsewhere(port, holders)
    why_not = "runs, and has not opened it" if port.program in running else "does not run"
    command = log_of(port.program) if running else START
    return port.subject.bad(f"Nobody listens on {port.name}: our {port.program} {why_not}.", command)


def _taken(port: WantedPort, holder: Holder) -> Finding:
    what = f"{port.name} is held by {holder.words}, and not by our {port.program}."
    if holder.unit:
        return port.subject.bad(what, f"sudo systemctl disable --now {holder.unit}")
    if holder.pid:
        return port.subject.bad(what, f"sudo kill {holder.pid}")
    what = f"{port.name} is held by {holder.words}; whether that is our {port.program} only root can see."
    return port.subject.unknown(what)


def _elsewhere(port: WantedPort, holders: list[Holder]) -> Finding:
    where = _where(holders)
    alone = all(one.address.startswith(_LOCAL_ONLY) for one in holders)
    reach = "this host alone reaches" if alone else "machines do not reach"
    what = f"{port.name} is open at {where} only, which {reach}; it is to be open at {port.address}."
    return port.subject.bad(what, f"BOOT_ADDRESS={port.address} {START}")


def _where(holders: list[Holder]) -> str:
    places = sorted({one.address for one in holders})
    return "every address" if _ANY & set(places) else ", ".join(places)
