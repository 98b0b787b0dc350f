"""The host of the believable lab: three interfaces, and a router that gives out addresses."""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import IPv4Interface

from bootflow.models import WireLook
from bootflow.ports import Interface

SETTINGS = {
    "BOOT_INTERFACE": "enp2s0", "BOOT_ADDRESS": "10.20.0.1", "DHCP_MODE": "proxy", "DHCP_RANGE": "",
    "NETWORK_FIXED": [],
}  # fmt: skip


class Host:
    """Its network interfaces."""

    def interfaces(self) -> list[Interface]:
        return [
            Interface("enp1s0", (IPv4Interface("192.168.1.20/24"),), "up", is_default=True),
            Interface("enp2s0", (IPv4Interface("10.20.0.1/24"),), "up"),
            Interface("enp3s0", (), "no carrier"),
        ]


def fill_wire(now: datetime) -> None:
    """A router answered when the wire was last looked at."""
    router = {
        "address": "10.20.0.254", "mac": "e8:df:70:1c:22:9b", "hands_out_addresses": True,
        "answers_pxe": False, "answers": [], "ours": False,
    }  # fmt: skip
    looked = now - timedelta(minutes=4)
    WireLook.objects.create(
        interface="enp2s0", requested_at=looked, observed_at=looked, observed_servers=[router]
    )
