"""Makes dnsmasq and the boot loaders be what settings and rows say. Safe to run at any time."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from bootflow.adapters import Dnsmasq, LocalHost
from bootflow.dnsmasq import (
    ARM64_LOADER,
    BIOS_LOADER,
    UEFI_FALLBACK_LOADER,
    UEFI_LOADER,
    DhcpMode,
    DnsmasqConfig,
    ServedNetwork,
    parse_pool,
    render,
)
from bootflow.models import BootNetwork, PiMacPrefix
from bootflow.network import Served, chosen, served
from bootflow.ports import BootHost, DhcpServer, ObservedDhcp
from bootflow.raspberry_pi.choosing import Place, local_place
from bootflow.raspberry_pi.keeping import TreeKeeper
from bootflow.raspberry_pi.waiting.outlook import make_waiting_system, waiting_warning
from bootflow.reservations import MAC_PREFIX, host_records, reservations
from bootflow.wire.rounds import local_wire
from devices.models import Device
from netboot_site.errors import OrchestratorError, UnavailableError, ValidationError
from netboot_site.heartbeat import beat, tell_facts
from netboot_site.network_file import keep

logger = logging.getLogger(__name__)
NEEDED_LOADERS = (BIOS_LOADER, UEFI_LOADER, UEFI_FALLBACK_LOADER)
TELL_EVERY_SECONDS = 10
Prefixes = Mapping[tuple[str, IPv4Address], int]


@dataclass(frozen=True, slots=True)
class Install:
    """Put this configuration in place."""

    config: str


@dataclass(frozen=True, slots=True)
class Restart:
    """End the running dnsmasq, so that it starts with the configuration in place."""


Action = Install | Restart


def plan(desired: str, observed: ObservedDhcp) -> list[Action]:
    """What is to be done, in this order. Pure."""
    if observed.config != desired:
        return [Install(desired), Restart()]
    if observed.process_id is not None and not observed.is_current:
        return [Restart()]
    return []


def apply(actions: list[Action], server: DhcpServer) -> None:
    """Carry the plan out. Raises ValidationError if dnsmasq refuses the configuration."""
    for action in actions:
        logger.info("dnsmasq: %s", type(action).__name__.lower())
        match action:
            case Install(config):
                server.install(config)
            case Restart():
                server.restart()


def desired_config(prefixes: Prefixes, *, has_arm64: bool) -> str:
    """dnsmasq's configuration as settings and rows want it. Raises ValidationError."""
    now = served(chosen())
    mode = _mode(now)
    main = [] if mode == DhcpMode.OFF else [_main_network(now, mode, prefixes)]
    further = [_further_network(row, prefixes) for row in BootNetwork.objects.order_by("interface")]
    taken = {network.interface for network in main}
    return render(
        DnsmasqConfig(
            networks=(*main, *(network for network in further if network.interface not in taken)),
            http_port=settings.BOOT_HTTP_PORT,
            folder=settings.DNSMASQ_PATH,
            tftp_root=settings.TFTP_PATH,
            authoritative=mode == DhcpMode.SERVER,
            has_arm64=has_arm64,
            pi_prefixes=tuple(PiMacPrefix.objects.values_list("prefix", flat=True)),
        )
    )


def converge(server: DhcpServer, host: BootHost) -> str:
    """Look at everything, mend what differs, and return what troubles us (empty: nothing)."""
    troubles = [_converge_loaders(host)]
    try:
        awaits = served(chosen()).awaits
        if awaits:  # dnsmasq stays as it is until then: no half state
            raise UnavailableError(f"The boot network is to be {awaits}; the services start again there.")
        config = desired_config(host.prefix_lengths(), has_arm64=ARM64_LOADER in host.loader_sources())
        server.reserve(host_records(_reservations()))
        apply(plan(config, server.observe()), server)
    except OrchestratorError as error:
        troubles.append(str(error))
    return " ".join(filter(None, troubles))


def _reservations() -> Mapping[str, IPv4Address]:
    """In the order in which the devices became known: a new one moves no other."""
    now = served(chosen())
    if _mode(now) != DhcpMode.SERVER:
        return {}
    found = Device.objects.filter(mac__startswith=MAC_PREFIX).order_by("pk")
    return reservations(found.values_list("mac", flat=True), parse_pool(now.dhcp_range))


def keep_choice() -> str:
    """Let the launcher know which network was chosen; what troubles that, if anything does."""
    try:
        keep(settings.NETWORK_CHOICE_PATH, chosen())
    except OSError as error:
        return f"The chosen network cannot be kept: {(error.strerror or str(error)).lower()}."
    return ""


def converge_here() -> None:
    """Converge this host, and say so to the health page."""
    server = local_server()
    troubles = (keep_choice(), converge(server, local_host()), local_trees().round())
    trouble = " ".join(filter(None, troubles))
    beat("control", last_error=trouble)
    if int(timezone.now().timestamp()) % TELL_EVERY_SECONDS == 0:
        tell_facts("control", serving_facts())
    local_wire().round()
    observed = server.observe()
    if observed.process_id is not None:
        beat("dnsmasq", last_error=trouble)


def serving_facts() -> dict[str, Any]:
    """How this process serves, for a doctor that was started with other variables or none."""
    now = served(chosen())
    return {
        "interface": now.interface,
        "address": now.address,
        "dhcp_mode": now.dhcp_mode,
        "expected": list(settings.EXPECTED_SERVICES),
        "node": settings.STORAGE_NODE,
        "api_port": settings.API_PORT,
        "dashboard_port": settings.DASHBOARD_PORT,
        "boot_http_port": settings.BOOT_HTTP_PORT,
        "iscsi_port": settings.ISCSI_PORT,
    }


def local_server() -> Dnsmasq:
    """This host's dnsmasq."""
    return Dnsmasq(settings.DNSMASQ_PATH)


def local_host() -> LocalHost:
    """This host, with the folders that it serves boot loaders from."""
    return LocalHost(tftp_path=settings.TFTP_PATH, http_path=settings.BOOT_FILES_PATH / "loaders")


def local_trees() -> TreeKeeper:
    """The trees of Raspberry Pis on this host; it remembers what it saw from round to round."""
    return _trees_below(settings.TFTP_PATH, local_place())


@functools.cache
def _trees_below(root: Path, place: Place) -> TreeKeeper:
    return TreeKeeper(root, place, _waiting_system)


def _waiting_system() -> Path:
    """Raises UnavailableError; that packages are missing is said by /health, and troubles no service."""
    if waiting_warning():
        raise UnavailableError("")
    return make_waiting_system()


def _converge_loaders(host: BootHost) -> str:
    """Copy what is missing or has changed; return what is not installed at all."""
    sources = host.loader_sources()
    missing = [name for name in NEEDED_LOADERS if name not in sources]
    trouble = ""
    if missing:
        trouble = f"Boot loaders are missing ({', '.join(missing)}): install the Debian package ipxe."
    try:
        for name in host.stale_loaders():
            host.copy_loader(name)
    except OrchestratorError as error:
        trouble = f"{trouble} {error}".strip()
    return trouble


def _mode(now: Served) -> DhcpMode:
    try:
        return DhcpMode(now.dhcp_mode)
    except ValueError as error:
        raise ValidationError(f"DHCP_MODE is proxy, server or off, not {now.dhcp_mode!r}.") from error


def _main_network(now: Served, mode: DhcpMode, prefixes: Prefixes) -> ServedNetwork:
    address = _address(now.address, "BOOT_ADDRESS")
    pool = parse_pool(now.dhcp_range) if mode == DhcpMode.SERVER else None
    length = prefixes.get((now.interface, address))
    return ServedNetwork(now.interface, address, mode, length, pool)


def _further_network(row: BootNetwork, prefixes: Prefixes) -> ServedNetwork:
    address = _address(row.address, f"the address of the network {row.interface}")
    pool = IPv4Address(row.first_address), IPv4Address(row.last_address)
    length = prefixes.get((row.interface, address), row.prefix_length)
    return ServedNetwork(row.interface, address, DhcpMode.SERVER, length, pool)


def _address(text: str, what: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise ValidationError(f"{what} is to be an IPv4 address, not {text!r}.") from error
