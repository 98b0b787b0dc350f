"""The converger of bootflow: settings and rows become dnsmasq's configuration and the boot loaders' files."""

from __future__ import annotations

import contextlib
import re
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from bootflow import convergence, tasks
from bootflow.adapters import LocalHost
from bootflow.convergence import Install, Restart, converge, plan
from bootflow.models import BootNetwork
from bootflow.ports import ObservedDhcp
from netboot_site.models import Heartbeat
from tests.bootflow.fakes import BrokenDhcpServer, FakeDhcpServer, FakeHost

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def network(settings: Any) -> Any:
    settings.DHCP_MODE, settings.DHCP_RANGE = "server", "10.66.0.100,10.66.0.150"
    settings.BOOT_INTERFACE, settings.BOOT_ADDRESS = "eth0", "10.66.0.1"
    return settings


@pytest.mark.parametrize(
    ("observed", "actions"),
    [
        (ObservedDhcp(None, None, False), [Install("new"), Restart()]),
        (ObservedDhcp("old", 7, True), [Install("new"), Restart()]),
        (ObservedDhcp("new", 7, False), [Restart()]),
        (ObservedDhcp("new", 7, True), []),
        (ObservedDhcp("new", None, False), []),  # its supervisor starts it
    ],
)
def test_the_plan_does_what_differs_and_nothing_else(observed: ObservedDhcp, actions: list[object]) -> None:
    assert plan("new", observed) == actions


def test_the_first_round_installs_the_second_does_nothing() -> None:
    server = FakeDhcpServer()
    assert converge(server, FakeHost()) == ""
    assert converge(server, FakeHost()) == ""
    assert server.restarts == 1
    assert "dhcp-range=10.66.0.100,10.66.0.150,255.255.255.0,1h" in (server.served or "")


def test_a_further_network_is_served_from_the_next_round_on_and_forgotten_with_its_row() -> None:
    server = FakeDhcpServer()
    converge(server, FakeHost())
    row = BootNetwork.objects.create(
        interface="nbdemo", address="10.77.0.1", first_address="10.77.0.10", last_address="10.77.0.20"
    )
    converge(server, FakeHost())
    assert "interface=nbdemo" in (server.served or "")
    row.delete()
    converge(server, FakeHost())
    assert "nbdemo" not in (server.served or "")


def test_off_still_serves_further_networks(network: Any) -> None:
    network.DHCP_MODE = "off"
    BootNetwork.objects.create(
        interface="nbdemo", address="10.77.0.1", first_address="10.77.0.10", last_address="10.77.0.20"
    )
    server = FakeDhcpServer()
    converge(server, FakeHost())
    assert "interface=nbdemo" in (server.served or "")
    assert "interface=eth0" not in (server.served or "")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DHCP_MODE", "both", "DHCP_MODE is proxy, server or off"),
        ("DHCP_RANGE", "", "DHCP_RANGE is the pool"),
        ("DHCP_RANGE", "10.9.0.1,10.9.0.5", r"does not lie in 10\.66\.0\.0/24"),
        ("BOOT_ADDRESS", "", "BOOT_ADDRESS is to be an IPv4 address"),
        ("BOOT_INTERFACE", "eth0,lo", "no name of a network interface"),
    ],
)
def test_a_setting_that_cannot_be_is_told_and_the_old_configuration_stays(
    network: Any, name: str, value: str, said: str
) -> None:
    server = FakeDhcpServer(config="as it was")
    setattr(network, name, value)
    trouble = converge(server, FakeHost())
    assert re.search(said, trouble), trouble
    assert (server.config, server.restarts) == ("as it was", 0)


def test_what_dnsmasq_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convergence, "render", lambda _: "no-such-option")
    server = FakeDhcpServer(config="as it was")
    assert "dnsmasq refuses" in converge(server, FakeHost())
    assert server.restarts == 0


def test_a_dnsmasq_that_is_not_installed_is_told() -> None:
    assert "not installed" in converge(BrokenDhcpServer(), FakeHost())


def test_boot_loaders_are_copied_where_they_are_missing_or_differ() -> None:
    host = FakeHost(stale=["snponly.efi"])
    converge(FakeDhcpServer(), host)
    assert host.copied == ["snponly.efi"]


def test_a_missing_loader_names_the_package_to_install() -> None:
    trouble = converge(FakeDhcpServer(), FakeHost(installed=("ipxe.efi",)))
    assert trouble == (
        "Boot loaders are missing (undionly.kpxe, snponly.efi): install the Debian package ipxe."
    )


def test_an_interface_that_is_not_there_yet_leaves_the_netmask_to_dnsmasq() -> None:
    server = FakeDhcpServer()
    assert converge(server, FakeHost(prefixes={})) == ""
    assert "dhcp-range=10.66.0.100,10.66.0.150,1h" in (server.served or "")


def test_this_host_knows_its_own_addresses(tmp_path: Path) -> None:
    prefixes = LocalHost(tftp_path=tmp_path, http_path=tmp_path).prefix_lengths()
    assert prefixes[("lo", IPv4Address("127.0.0.1"))] == 8


def test_loaders_are_served_whole_and_copied_again_when_they_change(tmp_path: Path) -> None:
    host = LocalHost(tftp_path=tmp_path / "tftp", http_path=tmp_path / "boot" / "loaders")
    assert set(host.stale_loaders()) >= {"undionly.kpxe", "snponly.efi", "ipxe.efi"}, "install ipxe"
    for name in host.stale_loaders():
        host.copy_loader(name)
    assert host.stale_loaders() == []
    served = tmp_path / "tftp" / "snponly.efi"
    assert served.read_bytes() == Path(host.loader_sources()["snponly.efi"]).read_bytes()
    assert served.stat().st_mode & 0o777 == 0o644
    served.write_bytes(b"torn")
    assert host.stale_loaders() == ["snponly.efi"]
    assert not list((tmp_path / "tftp").glob(".*")), "a draft was left"


def test_a_folder_that_cannot_be_written_is_told_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    host = LocalHost(tftp_path=tmp_path / "file", http_path=tmp_path / "http")
    trouble = converge(FakeDhcpServer(), host)
    assert "cannot be copied" in trouble
    assert str(tmp_path) not in trouble


def test_a_round_leaves_its_heartbeat_with_what_troubles_it(network: Any, tmp_path: Path) -> None:
    network.DNSMASQ_PATH, network.TFTP_PATH = tmp_path / "dnsmasq", tmp_path / "tftp"
    network.BOOT_FILES_PATH, network.DHCP_MODE = tmp_path / "boot", "both"
    tasks.converge()
    assert "DHCP_MODE is proxy, server or off" in Heartbeat.objects.get(name="control").last_error
    network.DHCP_MODE = "off"
    tasks.converge()
    assert Heartbeat.objects.get(name="control").last_error == ""


def test_a_round_that_finds_another_at_work_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(tasks, "converge_here", lambda: called.append("x"))
    monkeypatch.setattr(tasks, "advisory_lock", lambda _: contextlib.nullcontext(False))
    tasks.converge()
    assert called == []
