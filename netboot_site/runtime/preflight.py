"""What is looked at before anything starts; each failure is a sentence that says what to do."""

from __future__ import annotations

import ipaddress
import re
import shutil
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from netboot_site import system
from netboot_site.formats import GIB

# What nginx, supervisor, dnsmasq and tgtadm all take in a path without a rule of their own for it: tgtadm
# cuts at a comma, nginx expands $, supervisor expands %.
_PLAIN_PATH = re.compile(r"^[\w./+@~=-]+$")
_IQN_PREFIX = re.compile(
    r"^iqn\.\d{4}-(0[1-9]|1[0-2])\.[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"
)  # RFC 3720, 3.2.6.3.1
_NODE_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}$")
_IQN_PREFIX_MAX = 120  # leaves room for `:<image id>.<mac>` within the 223 bytes of an iSCSI name
LEAST_FREE_BYTES = GIB // 2
DHCP_MODES = ("proxy", "server", "off")


@dataclass(frozen=True, slots=True)
class Port:
    """A port that one of our programs will hold."""

    address: str
    number: int
    purpose: str
    udp: bool = False
    shared: bool = False  # DHCP servers on other interfaces of the host hold it too, and may

    @property
    def kind(self) -> str:
        """`TCP` or `UDP`."""
        return "UDP" if self.udp else "TCP"


def check_path(name: str, path: Path) -> list[str]:
    """A path that one of the engines could not spell."""
    if _PLAIN_PATH.match(str(path)):
        return []
    return [f"{name} is {path}: it may hold letters, digits and . / _ - + @ ~ = only. Choose another folder."]


def check_dhcp(mode: str, pool: str, address: str) -> list[str]:
    """DHCP_MODE and DHCP_RANGE."""
    if mode not in DHCP_MODES:
        return [f"DHCP_MODE is {mode!r}: it must be proxy, server or off."]
    if mode != "server":
        return []
    if not pool:
        return ["DHCP_MODE=server needs DHCP_RANGE=first,last: the addresses that it may hand out."]
    return _check_pool(pool, address)


def _check_pool(pool: str, address: str) -> list[str]:
    parts = [part.strip() for part in pool.split(",")]
    try:
        first, last = (ipaddress.IPv4Address(part) for part in parts)
    except ValueError:
        return [f"DHCP_RANGE is {pool!r}: write two IPv4 addresses, like 192.168.7.100,192.168.7.199."]
    if first > last:
        return [f"DHCP_RANGE is {pool!r}: its first address comes after its last one."]
    if address and first <= ipaddress.IPv4Address(address) <= last:
        return [f"DHCP_RANGE is {pool!r}: it holds our own address {address}, which must not be handed out."]
    return []


def check_iqn_prefix(prefix: str) -> list[str]:
    """IQN_PREFIX."""
    if _IQN_PREFIX.match(prefix) and len(prefix) <= _IQN_PREFIX_MAX:
        return []
    return [
        f"IQN_PREFIX is {prefix!r}: write it like iqn.2026-02.local.netboot "
        f"(a year and month, then a domain reversed, small letters, at most {_IQN_PREFIX_MAX} signs)."
    ]


def check_node_name(name: str) -> list[str]:
    """STORAGE_NODE."""
    if _NODE_NAME.match(name):
        return []
    return [f"STORAGE_NODE is {name!r}: write 1 to 63 small letters, digits and dashes."]


def check_shared(variables: dict[str, bool]) -> list[str]:
    """What a host that serves disks alone shares with the first one, and whether it was told."""
    return [
        f"{name} is not set: a storage node uses that of the first host (docs/DEPLOYMENT.md)."
        for name, told in variables.items()
        if not told
    ]


def check_distinct(ports: dict[str, int]) -> list[str]:
    """Ports of different services that are set to the same number or to none that exists."""
    problems = [
        f"{name} is {number}: a port is 1 to 65535."
        for name, number in ports.items()
        if not 0 < number < 65536
    ]
    problems.extend(
        f"{name} and BOOT_HTTP_PORT are both {ports[name]}: they must differ."
        for name in ("API_PORT", "DASHBOARD_PORT")
        if name in ports and ports[name] == ports.get("BOOT_HTTP_PORT")
    )
    return problems


def check_disk(path: Path, free_bytes: int | None = None) -> list[str]:
    """A disk that is nearly full: PostgreSQL would stop in the middle of its work."""
    existing = next(folder for folder in [path, *path.parents] if folder.exists())
    free = shutil.disk_usage(existing).free if free_bytes is None else free_bytes
    if free >= LEAST_FREE_BYTES:
        return []
    return [
        f"The disk of DATA_PATH ({path}) has {free // 1024**2} MiB left; "
        f"at least {LEAST_FREE_BYTES // 1024**2} MiB are needed."
    ]


def _bind(port: Port) -> OSError | None:
    family = socket.AF_INET6 if ":" in port.address else socket.AF_INET
    kind = socket.SOCK_DGRAM if port.udp else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        if not port.udp or port.shared:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.address, port.number))
            if not port.udp:
                probe.listen(1)
        except OSError as error:
            return error
    return None


def check_ports(ports: Iterable[Port]) -> list[str]:
    """Ports that somebody else holds, and who."""
    problems = []
    for port in ports:
        error = _bind(port)
        if error is not None:
            problems.append(_port_problem(port, error))
    return problems


def _port_problem(port: Port, error: OSError) -> str:
    which = f"{port.kind} port {port.number} ({port.purpose})"
    if isinstance(error, PermissionError):
        return f"{which} needs root: run as root or choose a port above 1023."
    holder = holder_of(port)
    if holder:
        return f"{which} is taken by {holder}: stop that program or choose another port."
    reason = (error.strerror or str(error)).lower()
    return f"{which} cannot be opened at {port.address}: {reason}."


def holder_of(port: Port) -> str:
    """The program that listens on a port, as far as we may know: `nginx (pid 7)`."""
    flags = "-Hlnup" if port.udp else "-Hlntp"
    try:
        done = system.run(["ss", flags, f"sport = :{port.number}"])
    except OSError:
        return ""
    return parse_holder(done.stdout)


def parse_holder(listing: str) -> str:
    """The first program named in the output of `ss -p`."""
    match = re.search(r'users:\(\("([^"]+)",pid=(\d+)', listing)
    return f"{match[1]} (pid {match[2]})" if match else ("another program" if listing.strip() else "")
