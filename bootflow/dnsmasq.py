"""The one dnsmasq configuration: DHCP, proxy DHCP and TFTP on every network that we serve. Pure functions.

Option names and numbers: dnsmasq(8), RFC 2132, RFC 4578 (option 93 client architecture, 97 machine id).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from bootflow.raspberry_pi.identity import MACHINE_ID_PREFIXES, mac_patterns
from netboot_site.errors import ValidationError

BIOS_LOADER = "undionly.kpxe"
UEFI_LOADER = "snponly.efi"
UEFI_FALLBACK_LOADER = "ipxe.efi"
ARM64_LOADER = "ipxe-arm64.efi"
LOADERS_URL_PATH = "/boot/files/loaders"  # for UEFI HTTP boot
SCRIPT_URL_PATH = "/boot/boot.ipxe"
# A Pi 3B's ROM miscounts the length of this text and needs three trailing spaces; later models ignore them.
PI_MENU_TEXT = "Raspberry Pi Boot   "
LEASE_TIME = "1h"
HOSTS_NAME = "hosts"  # a folder of records that come and go without a restart
LEASES_MAX = 10000  # dnsmasq(8): 1000 by default
TFTP_MAX = 450  # transfers at once, 50 by default; two file descriptors each of the usual 1024
_INTERFACE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}$")  # netdevice(7): IFNAMSIZ is 16 with its NUL
_VALUE_MAX_BYTES = 900  # dnsmasq reads lines of at most 1024 bytes (MAXDNAME in its config.h)
_ARCHITECTURE_TAGS = (
    ("bios", 0),
    ("efi64", 7),
    ("efi64", 9),
    ("efia64", 11),
    ("efi64http", 16),
    ("efia64http", 19),
)
# Who a client is, in disjoint sets. iPXE first, so that nothing loops; a Pi before its architecture.
_CLIENT_TAGS = (
    "tag-if=set:rpiboot,tag:rpi,tag:bios,tag:!ipxe",
    "tag-if=set:pcbios,tag:bios,tag:!rpi,tag:!ipxe",
    "tag-if=set:pcefi64,tag:efi64,tag:!httpc,tag:!ipxe",
    "tag-if=set:pcefia64,tag:efia64,tag:!httpc,tag:!ipxe",
    "tag-if=set:pchttp64,tag:efi64http,tag:httpc,tag:!ipxe",
    "tag-if=set:pchttpa64,tag:efia64http,tag:httpc,tag:!ipxe",
)


class DhcpMode(StrEnum):
    """What dnsmasq is on a network."""

    SERVER = "server"
    PROXY = "proxy"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class ServedNetwork:
    """One interface that dnsmasq answers on. `prefix_length` is None while the interface is not there."""

    interface: str
    address: IPv4Address
    mode: DhcpMode
    prefix_length: int | None = None
    pool: tuple[IPv4Address, IPv4Address] | None = None


@dataclass(frozen=True, slots=True)
class DnsmasqConfig:
    """All that the configuration depends on."""

    networks: tuple[ServedNetwork, ...]
    http_port: int
    folder: Path
    tftp_root: Path
    authoritative: bool = False
    has_arm64: bool = False
    pi_prefixes: tuple[str, ...] = ()  # of MAC addresses, besides those that we know


def parse_pool(text: str) -> tuple[IPv4Address, IPv4Address]:
    """`first,last` of DHCP_RANGE. Raises ValidationError."""
    first, comma, last = text.replace(" ", "").partition(",")
    try:
        pool = IPv4Address(first), IPv4Address(last)
    except ValueError:
        comma = ""
    if not comma or pool[0] > pool[1]:
        raise ValidationError(
            "DHCP_RANGE is the pool of DHCP_MODE=server, as first,last: two IPv4 addresses like "
            f"10.66.0.100,10.66.0.200. It is {text!r}."
        )
    return pool


def escape(text: str) -> str:
    """Any text as one quoted dnsmasq value; the only way for text into the file. Raises ValidationError."""
    if not text.isprintable() or len(text.encode()) > _VALUE_MAX_BYTES:
        raise ValidationError(
            "A value for dnsmasq is one line of printable characters, at most 900 bytes long."
        )
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def render(config: DnsmasqConfig) -> str:
    """The whole file. Raises ValidationError for a network that cannot be served as it says."""
    lines = ["# Written by Netboot Orchestrator; a change made here is overwritten.", *_general(config)]
    if config.networks:
        lines += _serving(config)
    for network in config.networks:
        lines += ["", f"# {network.mode} on {_interface(network)}", *_network(network, config)]
    return "\n".join(lines) + "\n"


def _general(config: DnsmasqConfig) -> list[str]:
    return [
        "port=0",
        "bind-dynamic",
        "no-resolv",
        "no-hosts",
        f"pid-file={escape(str(config.folder / 'dnsmasq.pid'))}",
    ]


def _serving(config: DnsmasqConfig) -> list[str]:
    return [
        "log-dhcp",
        "dhcp-no-override",
        # The pool is ours: its addresses are not pinged first, which would cost each boot 3 s.
        "no-ping",
        f"dhcp-leasefile={escape(str(config.folder / 'leases'))}",
        f"dhcp-lease-max={LEASES_MAX}",
        f"dhcp-hostsdir={escape(str(config.folder / HOSTS_NAME))}",
        *(["dhcp-authoritative"] if config.authoritative else []),
        "enable-tftp",
        f"tftp-root={escape(str(config.tftp_root))}",
        f"tftp-max={TFTP_MAX}",
        "",
        "# Who asks",
        *_recognition(config.pi_prefixes),
        *_CLIENT_TAGS,
        "dhcp-pxe-vendor=PXEClient,HTTPClient",
        "dhcp-option-force=tag:httpc,60,HTTPClient",
        f"pxe-service=tag:rpiboot,x86PC,{escape(PI_MENU_TEXT)}",
    ]


def _recognition(pi_prefixes: Iterable[str]) -> Iterable[str]:
    yield "dhcp-match=set:ipxe,175"
    yield "dhcp-userclass=set:ipxe,iPXE"
    yield "dhcp-vendorclass=set:httpc,HTTPClient"
    yield from (f"dhcp-match=set:rpi,option:client-machine-id,{prefix}" for prefix in MACHINE_ID_PREFIXES)
    yield from (f"dhcp-mac=set:rpi,{pattern}" for pattern in mac_patterns(pi_prefixes))
    yield from (f"dhcp-match=set:{tag},option:client-arch,{code}" for tag, code in _ARCHITECTURE_TAGS)


def _network(network: ServedNetwork, config: DnsmasqConfig) -> list[str]:
    name, address = _interface(network), network.address
    url = f"http://{address}:{config.http_port}"
    lines = [f"interface={name}", _range(network)]
    # The address stands on each line: without it siaddr is 0 in proxy mode, and iPXE then boots nothing.
    for tag, file in _boot_files(url, config.has_arm64):
        lines.append(f"dhcp-boot=tag:{tag},tag:{name},{file},,{address}")
    if network.mode == DhcpMode.PROXY:
        # A proxy's answer holds no option 66 (dnsmasq 2.90 puts no dhcp-option into one, nor a server name,
        # tried): a Pi has our address from siaddr, option 54 and the packet itself.
        return lines + _proxy_services(name, config.has_arm64)
    return [
        *lines,
        f"dhcp-option=tag:rpiboot,tag:{name},option:tftp-server,{escape(str(address))}",
        # iPXE's no-pxedhcp: do not wait for a proxy's answer besides ours (ipxe/src/include/ipxe/dhcp.h).
        f"dhcp-option=tag:ipxe,tag:{name},encap:175,176,1b",
    ]


def _boot_files(url: str, has_arm64: bool) -> Iterable[tuple[str, str]]:
    yield "ipxe", url + SCRIPT_URL_PATH
    yield "pcbios", BIOS_LOADER
    yield "pcefi64", UEFI_LOADER
    yield "pchttp64", f"{url}{LOADERS_URL_PATH}/{UEFI_LOADER}"
    if has_arm64:
        yield "pcefia64", ARM64_LOADER
        yield "pchttpa64", f"{url}{LOADERS_URL_PATH}/{ARM64_LOADER}"
    yield "rpiboot", ""


def _proxy_services(name: str, has_arm64: bool) -> list[str]:
    services = [
        ("pcbios", "x86PC", BIOS_LOADER),
        ("pcefi64", "x86-64_EFI", UEFI_LOADER),
        ("pcefi64", "BC_EFI", UEFI_LOADER),
    ]
    if has_arm64:
        services.append(("pcefia64", "ARM64_EFI", ARM64_LOADER))
    return [f'pxe-service=tag:{tag},tag:{name},{kind},"iPXE",{file}' for tag, kind, file in services]


def _range(network: ServedNetwork) -> str:
    mask = _netmask(network)
    if network.mode == DhcpMode.PROXY:
        return ",".join(filter(None, [f"dhcp-range={network.address}", "proxy", mask]))
    first, last = _checked_pool(network)
    return ",".join(filter(None, [f"dhcp-range={first}", str(last), mask, LEASE_TIME]))


def _netmask(network: ServedNetwork) -> str:
    """Left to dnsmasq while the interface is not there: it takes the interface's own when that comes up."""
    if network.prefix_length is None:
        return ""
    return str(_subnet(network).netmask)


def _subnet(network: ServedNetwork) -> IPv4Network:
    return IPv4Network((network.address, network.prefix_length or 32), strict=False)


def _checked_pool(network: ServedNetwork) -> tuple[IPv4Address, IPv4Address]:
    if network.pool is None:
        raise ValidationError(
            "DHCP_MODE=server needs DHCP_RANGE: the first and the last address of the pool."
        )
    if network.pool[0] > network.pool[1]:  # dnsmasq would exchange them, unchecked
        raise ValidationError(f"The pool {network.pool[0]} to {network.pool[1]} ends before it begins.")
    if network.prefix_length is not None and not all(end in _subnet(network) for end in network.pool):
        raise ValidationError(
            f"The pool {network.pool[0]} to {network.pool[1]} does not lie in {_subnet(network)}, the "
            f"network of {network.address} on {network.interface}: choose addresses of that network."
        )
    if network.pool[0] <= network.address <= network.pool[1]:
        raise ValidationError(
            f"The pool {network.pool[0]} to {network.pool[1]} holds our own address {network.address}: "
            "leave it out."
        )
    return network.pool


def _interface(network: ServedNetwork) -> str:
    if not _INTERFACE.match(network.interface):
        raise ValidationError(f"{network.interface!r} is no name of a network interface.")
    return network.interface
