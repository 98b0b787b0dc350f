"""The boot interface, as iproute2 tells it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netboot_site.doctor.links import Link, judge_links, parse_links, read_links
from tests.netboot_site.doctor.places import only, place

GOOD = Link(True, True, ("10.66.0.1/24",))
LO = Link(True, True, ("127.0.0.1/8",))


def entry(name: str, flags: list[str], *addresses: dict[str, Any]) -> dict[str, Any]:
    return {"ifname": name, "flags": flags, "addr_info": list(addresses)}


def test_what_iproute2_prints_is_read() -> None:
    inet = {"family": "inet", "local": "10.66.0.1", "prefixlen": 24}
    text = json.dumps(
        [
            {},  # iproute2 prints one for what it leaves out
            entry("lo", ["LOOPBACK", "UP"], {"family": "inet", "local": "127.0.0.1", "prefixlen": 8}),
            entry("eth0", ["BROADCAST", "UP", "LOWER_UP"], {**inet, "dynamic": True}, {"family": "inet6"}),
            entry("eth1", ["NO-CARRIER", "UP"], inet),
            entry("eth2", []),
        ]
    )
    assert parse_links(text) == {
        "lo": LO,
        "eth0": Link(True, True, ("10.66.0.1/24",), by_dhcp=("10.66.0.1/24",)),
        "eth1": Link(True, False, ("10.66.0.1/24",)),
        "eth2": Link(False, False),
    }


def test_this_host_has_a_loopback() -> None:
    assert read_links()["lo"].has("127.0.0.1")


@pytest.mark.parametrize(
    ("link", "state", "what", "command"),
    [
        (GOOD, "good", "eth0 is up, with the address 10.66.0.1/24.", ""),
        (
            None, "bad", "There is no interface eth0 on this host; there are: eth9, lo.",
            "BOOT_INTERFACE=eth9 make up",
        ),
        (Link(False, False), "bad", "eth0 is switched off.", "sudo ip link set dev eth0 up"),
        (
            Link(True, True, ("10.9.9.9/16",)), "bad",
            "eth0 does not have the address 10.66.0.1; it has: 10.9.9.9/16.",
            "sudo ip address add 10.66.0.1/24 dev eth0",
        ),
        (
            Link(True, True), "bad", "eth0 does not have the address 10.66.0.1; it has: none.",
            "sudo ip address add 10.66.0.1/24 dev eth0",
        ),
        (
            Link(True, False, ("10.66.0.1/24",)), "bad",
            "eth0 has no carrier: its cable is out, or the switch is off.", "ip link show eth0",
        ),
    ],
)  # fmt: skip
def test_the_boot_interface_is_there_up_and_addressed(
    link: Link | None, state: str, what: str, command: str
) -> None:
    links = {"lo": LO, "eth9": GOOD} | ({"eth0": link} if link else {})
    finding = only(judge_links(place(), links))
    assert (finding.state, finding.what, finding.command) == (state, what, command)


@pytest.mark.parametrize(("mode", "state"), [("proxy", "good"), ("server", "warning")])
def test_only_a_dhcp_server_must_not_have_its_own_address_by_dhcp(mode: str, state: str) -> None:
    link = Link(True, True, ("10.66.0.1/24",), by_dhcp=("10.66.0.1/24",))
    assert only(judge_links(place(dhcp_mode=mode), {"eth0": link})).state == state
