"""Which interface and address `make up` chooses."""

from __future__ import annotations

import pytest

from netboot_site.errors import UnavailableError
from netboot_site.runtime.network import BootEndpoint, addresses_of, choose, default_interface

ADDRESSES = {"lo": ["127.0.0.1"], "eth0": ["192.168.7.2", "192.168.7.3"], "eth1": ["10.0.0.1"], "wlan0": []}


def pick(interface: str = "", address: str = "", default: str = "eth0") -> tuple[str, str]:
    chosen = choose(BootEndpoint(interface, address), default, ADDRESSES)
    return chosen.interface, chosen.address


def test_nothing_given_is_the_default_routes_interface_and_its_first_address() -> None:
    assert pick() == ("eth0", "192.168.7.2")


def test_an_interface_given_is_taken_with_its_first_address() -> None:
    assert pick(interface="eth1") == ("eth1", "10.0.0.1")


def test_an_address_given_alone_finds_its_interface() -> None:
    assert pick(address="10.0.0.1") == ("eth1", "10.0.0.1")


def test_both_given_are_taken() -> None:
    assert pick(interface="eth0", address="192.168.7.3") == ("eth0", "192.168.7.3")


def test_no_such_interface_names_those_that_are_there() -> None:
    with pytest.raises(UnavailableError, match="no interface eth9 here; there are: eth0, eth1, lo, wlan0"):
        pick(interface="eth9")


def test_no_default_route_asks_for_the_interface() -> None:
    with pytest.raises(UnavailableError, match="set BOOT_INTERFACE"):
        pick(default="")


def test_an_address_that_the_interface_does_not_have_is_told() -> None:
    with pytest.raises(
        UnavailableError, match=r"eth1 does not have the address 10\.0\.0\.9; it has: 10\.0\.0\.1"
    ):
        pick(interface="eth1", address="10.0.0.9")


def test_an_interface_without_an_address_is_told() -> None:
    with pytest.raises(UnavailableError, match="wlan0 has no IPv4 address"):
        pick(interface="wlan0")


def test_the_default_route_with_the_lowest_metric_wins() -> None:
    routes = [{"dev": "wlan0", "metric": 600}, {"dev": "eth0", "metric": 100}]
    assert default_interface(routes) == "eth0"
    assert default_interface([*routes, {"dev": "ppp0"}]) == "ppp0"
    assert default_interface([]) == ""


def test_only_ipv4_addresses_are_read() -> None:
    held = [{"family": "inet6", "local": "fe80::1"}, {"family": "inet", "local": "10.0.0.1"}]
    found = addresses_of([{"ifname": "eth0", "addr_info": held}, {"ifname": "tap0"}])
    assert found == {"eth0": ["10.0.0.1"], "tap0": []}
