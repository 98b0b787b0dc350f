"""REST calls of the boot network: what is served, what was chosen, and who else answers on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema, Status

from bootflow.convergence import local_host
from bootflow.models import WireLook
from bootflow.network import chosen, look_of, served, suggested_pool
from bootflow.network_services import choose_network, request_look
from bootflow.ports import Interface
from devices.schemas import Text
from netboot_site.network_file import KeptChoice

router = Router()


class NetworkIn(Schema):
    """The network to serve; `interrupt` says that machines may lose their disks by it."""

    interface: Text
    dhcp_mode: Text
    dhcp_range: Text = ""
    interrupt: bool = False


class InterfaceOut(Schema):
    """An interface of this host with its IPv4 addresses; its link is `up`, `no carrier` or `off`."""

    name: str
    addresses: list[str]
    link: str
    is_default: bool
    suggested_range: str


class WireLookOut(Schema):
    """Who answered on an interface's wire when it was last looked at."""

    interface: str
    requested_at: datetime | None
    observed_at: datetime | None
    servers: list[dict[str, Any]]
    last_error: str


class NetworkOut(Schema):
    """What is served now; `awaits` names a chosen interface on which the services do not run yet."""

    interface: str
    address: str
    dhcp_mode: str
    dhcp_range: str
    in_effect: bool
    awaits: str
    chosen_at: datetime | None
    set_by_environment: list[str]
    interfaces: list[InterfaceOut]
    look: WireLookOut


@router.get("/network", response=NetworkOut)
def get_network(request: HttpRequest) -> NetworkOut:
    """How the boot network is served, and the interfaces to choose from."""
    return _shown(local_host().interfaces())


@router.put("/network", response=NetworkOut)
def put_network(request: HttpRequest, body: NetworkIn) -> NetworkOut:
    """Serve this network. Mode and pool count at once; another interface starts the services again."""
    interfaces = local_host().interfaces()
    wanted = KeptChoice(body.interface, body.dhcp_mode, body.dhcp_range)
    choose_network(wanted=wanted, interfaces=interfaces, interrupt=body.interrupt)
    return _shown(interfaces)


@router.post("/network/look", response={202: WireLookOut})
def look_at_network(request: HttpRequest) -> Status[WireLookOut]:
    """Find out which DHCP and PXE servers answer on the boot network; a GET shows it seconds later."""
    return Status(202, _look(request_look(interface=served(chosen()).interface)))


@router.get("/network/look", response=WireLookOut)
def get_look(request: HttpRequest) -> WireLookOut:
    """Which DHCP and PXE servers answered when the boot network was last looked at."""
    return _look(look_of(str(settings.BOOT_INTERFACE)))


def _shown(interfaces: Sequence[Interface]) -> NetworkOut:
    choice = chosen()
    now = served(choice)
    return NetworkOut(
        interface=now.interface, address=now.address, dhcp_mode=now.dhcp_mode, dhcp_range=now.dhcp_range,
        in_effect=not now.awaits, awaits=now.awaits,
        chosen_at=choice.chosen_at if choice else None,
        set_by_environment=list(settings.NETWORK_FIXED),
        interfaces=[_interface(one) for one in interfaces],
        look=_look(look_of(now.interface)),
    )  # fmt: skip


def _interface(one: Interface) -> InterfaceOut:
    return InterfaceOut(
        name=one.name, addresses=[str(address) for address in one.addresses], link=one.link,
        is_default=one.is_default, suggested_range=suggested_pool(one),
    )  # fmt: skip


def _look(row: WireLook) -> WireLookOut:
    return WireLookOut(
        interface=row.interface, requested_at=row.requested_at, observed_at=row.observed_at,
        servers=row.observed_servers, last_error=row.last_error,
    )  # fmt: skip
