"""What a machine is answered by DHCP here: its firmware's question, put to the configuration of dnsmasq."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address

from bootflow.convergence import desired_config, local_host, local_server
from bootflow.dhcp_answer import Asker, DhcpAnswer, answers_of, interfaces_of
from bootflow.dnsmasq import ARM64_LOADER
from bootflow.identity import leased_address
from bootflow.models import Boot, BootEvent
from bootflow.raspberry_pi.models import family_of
from devices.models import Device, DeviceType, Firmware
from netboot_site.errors import OrchestratorError

_ROM = bytes([0]) + b"\x44" * 16  # what the boot ROM of a Pi 2 or 3 calls itself
NOT_SERVED = (
    "DHCP is off here: another server hands out addresses and has to name our boot loader, too "
    "(options 66 and 67)."
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """Who asks, and what dnsmasq answers."""

    asker: str
    answers: list[DhcpAnswer]


@dataclass(frozen=True, slots=True)
class Dhcp:
    """All that a machine is answered until it asks for its script; or why nothing is."""

    interface: str
    exchanges: list[Exchange]
    note: str = ""


def dhcp_of(device: Device) -> Dhcp:
    """From the configuration that dnsmasq has, or is to have if it has none yet. At most two queries."""
    try:
        text = local_server().observe().config or _desired()
        interface = _interface_of(device, text)
    except OrchestratorError as error:
        return Dhcp("", [], str(error))
    if not interface:
        return Dhcp("", [], NOT_SERVED)
    exchanges = [
        Exchange(words, [_with_lease(answer, device) for answer in answers_of(text, interface, asker)])
        for words, asker in askers_of(device)
    ]
    return Dhcp(interface, exchanges)


def _desired() -> str:
    return desired_config({}, has_arm64=ARM64_LOADER in local_host().loader_sources())


def _interface_of(device: Device, text: str) -> str:
    """Where it was last seen, if we serve several networks; the first is BOOT_INTERFACE."""
    networks = interfaces_of(text)
    if len(networks) > 1:
        address = _last_address(device)
        for name, network in networks.items():
            if network is not None and address in network:
                return name
    return next(iter(networks), "")


def _last_address(device: Device) -> IPv4Address:
    """From where its last boot asked; 0.0.0.0 if it never did."""
    last = Boot.objects.filter(mac=device.mac).order_by("-started_at", "-id")[:1]
    events = BootEvent.objects.filter(boot__in=last.values("pk"), facts__has_key="address")
    return _address(events.order_by("-at", "-id").values_list("facts__address", flat=True).first())


def _address(text: str | None) -> IPv4Address:
    try:
        return IPv4Address(text or "0")
    except AddressValueError:
        return IPv4Address(0)


def _with_lease(answer: DhcpAnswer, device: Device) -> DhcpAnswer:
    leased = leased_address(device.mac) if answer.address else ""
    return replace(answer, address=leased) if leased else answer


def askers_of(device: Device) -> Iterator[tuple[str, Asker]]:
    """Who asks for this machine, one after the other: its firmware, and then iPXE."""
    if device.device_type == DeviceType.RASPI:
        yield "Its firmware", _asker(device, 0, machine_id=_pi_id(device))
        return
    for words, architecture in _firmwares(device):
        yield words, _asker(device, architecture)
        ipxe = replace(_asker(device, architecture), user_class="iPXE", is_ipxe=True)
        yield f"iPXE, started by {words[0].lower()}{words[1:]}", ipxe


def _firmwares(device: Device) -> list[tuple[str, int]]:
    """How it is started; both ways of a 64-bit PC that has not said yet."""
    if device.firmware == Firmware.UEFI:
        return [("Its UEFI firmware", 11 if device.architecture.startswith("arm") else 7)]
    if device.firmware == Firmware.BIOS or device.device_type == DeviceType.X86:
        return [("Its BIOS", 0)]
    return [("Its firmware, if it is UEFI", 7), ("Its firmware, if it is BIOS", 0)]


def _asker(device: Device, architecture: int, *, machine_id: bytes = bytes(17)) -> Asker:
    vendor_class = f"PXEClient:Arch:{architecture:05d}:UNDI:002001"
    return Asker(device.mac, vendor_class, architecture, machine_id=machine_id)


def _pi_id(device: Device) -> bytes:
    """By its model; one that has not told it is taken for a Pi 4."""
    family = family_of(str(device.facts.get("model") or "")) or ""
    if "3" in family or "2" in family:
        return _ROM
    return b"\0RPi5" + bytes(12) if "5" in family else b"\0RPi4" + bytes(12)
