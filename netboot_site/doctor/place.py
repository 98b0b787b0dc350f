"""How the installation is meant to be, and what its services have written about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from bootflow.models import BootNetwork, WireLook
from bootflow.wire.rounds import our_addresses
from images.models import Export, ExportMode, StorageNode
from netboot_site.host import clock_offset_seconds
from netboot_site.models import Heartbeat, HostFacts
from netboot_site.network_file import dhcp_of, kept
from netboot_site.runtime import network

FRESH = timedelta(seconds=60)
_PORTS = ("api_port", "dashboard_port", "boot_http_port", "iscsi_port")
_TOLD = ("interface", "address", "dhcp_mode", *_PORTS)


@dataclass(frozen=True, slots=True)
class Place:
    """Which interface, address and ports this installation serves."""

    interface: str
    address: str
    dhcp_mode: str
    expected: frozenset[str]
    node: str
    api_port: int
    dashboard_port: int
    boot_http_port: int
    iscsi_port: int

    serves_site: bool = True  # a host may serve disks alone, for a site that runs elsewhere

    @property
    def serves_boot(self) -> bool:
        """Whether dnsmasq belongs to it: without root it does not."""
        return "dnsmasq" in self.expected


@dataclass(frozen=True, slots=True)
class Node:
    """A storage node as its row and its worker's facts tell it."""

    name: str
    queue: str
    portal: str
    state: str  # of its target server
    error: str
    facts: Mapping[str, Any] | None  # None: none that are fresh


@dataclass(frozen=True, slots=True)
class Look:
    """The last look at the wire of the boot interface."""

    seconds_ago: float
    servers: tuple[Mapping[str, Any], ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Beat:
    """A service's last sign of life."""

    seconds_ago: float
    error: str


@dataclass(frozen=True, slots=True)
class Rows:
    """All that the database tells the doctor."""

    version: str
    clock_offset_seconds: float
    beats: Mapping[str, Beat] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()
    look: Look | None = None
    told: Mapping[str, Any] | None = None  # how the control worker is set, where it tells
    our_addresses: frozenset[str] = frozenset()  # of the networks that we serve
    has_further_networks: bool = False
    has_overlays: bool = False


def read_rows() -> Rows:
    """Raises django.db.Error."""
    now = timezone.now()
    facts = {row.name: row for row in HostFacts.objects.all()}
    control = facts.get("control")
    told = control.observed_facts if control and now - control.observed_at < FRESH else None
    interface = str(told["interface"] if told else settings.BOOT_INTERFACE)
    return Rows(
        version=_version(),
        clock_offset_seconds=clock_offset_seconds(),
        beats={row.name: _beat(row, now) for row in Heartbeat.objects.all()},
        nodes=tuple(_node(node, facts.get(node.queue), now) for node in StorageNode.objects.all()),
        look=look_of(WireLook.objects.filter(interface=interface).first(), now),
        told=told,
        our_addresses=frozenset(our_addresses()),
        has_further_networks=BootNetwork.objects.exists(),
        has_overlays=Export.objects.filter(mode=ExportMode.OVERLAY).exists(),
    )


def place_of(told: Mapping[str, Any] | None, variables: Mapping[str, str]) -> Place:
    """As the control worker says that it serves, else as the launcher was told, else as we are set.

    Raises UnavailableError where there is no network to serve.
    """
    if settings.STORAGE_ONLY or (told and told.get("node") != settings.STORAGE_NODE):
        return _storage_host()
    if told:
        known = {name: told[name] for name in _TOLD}
        return Place(**known, expected=frozenset(told["expected"]), node=settings.STORAGE_NODE)
    choice = kept(settings.NETWORK_CHOICE_PATH)
    interface = variables.get("BOOT_INTERFACE") or str(settings.BOOT_INTERFACE)
    address = variables.get("BOOT_ADDRESS") or str(settings.BOOT_ADDRESS)
    if not address:
        found = network.resolve(interface or (choice.interface if choice else ""), "")
        interface, address = found.interface, found.address
    expected = variables.get("EXPECTED_SERVICES")
    return Place(
        interface=interface, address=address, node=settings.STORAGE_NODE,
        dhcp_mode=variables.get("DHCP_MODE") or dhcp_of(choice, interface)[0],
        expected=frozenset(expected.split(",") if expected else settings.EXPECTED_SERVICES),
        **_ports(variables),
    )  # fmt: skip


def _ports(variables: Mapping[str, str]) -> dict[str, Any]:
    return {name: int(variables.get(name.upper()) or getattr(settings, name.upper())) for name in _PORTS}


def _storage_host() -> Place:
    """A host with nothing of the site but a storage node."""
    return Place(
        interface="", address="", dhcp_mode="off", expected=frozenset({"storage-http", "tgtd"}),
        node=settings.STORAGE_NODE, serves_site=False, **_ports({}),
    )  # fmt: skip


def _version() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (version,) = cursor.fetchone()
    return str(version).partition(" ")[0]


def _beat(row: Heartbeat, now: datetime) -> Beat:
    return Beat((now - row.beat_at).total_seconds(), row.last_error)


def _node(node: StorageNode, facts: HostFacts | None, now: datetime) -> Node:
    fresh = facts is not None and now - facts.observed_at < FRESH
    told = facts.observed_facts if facts is not None and fresh else None
    seen = node.observed_at is not None and now - node.observed_at < FRESH
    state = node.observed_target_server if seen else ""
    return Node(node.name, node.queue, node.portal, state, node.last_error, told)


def look_of(row: WireLook | None, now: datetime) -> Look | None:
    """As the control worker wrote it down; None: nobody has looked yet."""
    if row is None or row.observed_at is None:
        return None
    return Look((now - row.observed_at).total_seconds(), tuple(row.observed_servers), row.last_error)
