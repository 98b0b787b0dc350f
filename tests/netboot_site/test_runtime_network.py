"""Which interface and address `make up` chooses."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from netboot_site import system
from netboot_site.errors import UnavailableError
from netboot_site.runtime.network import BootEndpoint, addresses_of, choose, default_interface, resolve
from netboot_site.system import Completed

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


class TestInANamespace:
    """`ip` itself, asked in a network namespace of its own."""

    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
        if os.geteuid() != 0:
            pytest.skip("a network namespace needs root")
        name = f"nb-net{os.getpid()}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        real = system.run
        monkeypatch.setattr(system, "run", lambda argv: real(["ip", "-n", name, *argv[1:]]))
        yield lambda words: subprocess.run(["ip", "-n", name, *words.split()], check=True)
        subprocess.run(["ip", "netns", "delete", name], check=True)

    def test_without_any_network_it_asks_for_the_interface(self, asked: Callable[..., None]) -> None:
        with pytest.raises(UnavailableError, match="set BOOT_INTERFACE"):
            resolve("", "")
        with pytest.raises(UnavailableError, match="there is no interface eth0 here; there are: lo"):
            resolve("eth0", "")

    def test_it_takes_the_way_that_packets_take(self, asked: Callable[..., None]) -> None:
        for number, name in enumerate(("lab", "office")):
            asked(f"link add {name} type bridge")
            asked(f"address add 10.7{number}.0.2/24 dev {name}")
            asked(f"address add 10.7{number}.0.3/24 dev {name}")
            asked(f"address add fd00::{number + 1}/64 dev {name}")
            asked(f"link set {name} up")
        asked("route add default via 10.70.0.1 dev lab metric 200")
        asked("route add default via 10.71.0.1 dev office metric 100")
        assert resolve("", "") == BootEndpoint("office", "10.71.0.2")
        assert resolve("lab", "") == BootEndpoint("lab", "10.70.0.2")
        assert resolve("", "10.70.0.3") == BootEndpoint("lab", "10.70.0.3")
        with pytest.raises(UnavailableError, match=r"it has: 10\.70\.0\.2, 10\.70\.0\.3"):
            resolve("lab", "10.71.0.2")

    def test_ip_that_fails_or_says_nothing_is_no_network(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for answer in (Completed((), 1, "", "no"), Completed((), 0, "", ""), Completed((), 0, "[{}]", "")):
            monkeypatch.setattr(system, "run", lambda argv, answer=answer: answer)
            with pytest.raises(UnavailableError, match="set BOOT_INTERFACE"):
                resolve("", "")
