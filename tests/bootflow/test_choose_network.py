"""Choosing the boot network: what can be, what the environment says, and what machines would lose."""

from __future__ import annotations

from typing import Any

import pytest

from bootflow.convergence import converge, keep_choice
from bootflow.models import NetworkChoice, WireLook
from bootflow.network import chosen, served, suggested_pool
from devices.models import Device
from netboot_site.errors import ConflictError, ValidationError
from netboot_site.journal import changes_of
from netboot_site.network_file import KeptChoice, kept
from tests.bootflow.fakes import FakeDhcpServer
from tests.bootflow.network_rows import HOST, POOL, choose, here, log_in

__all__ = ["here"]
MACS = [f"52:54:00:00:00:0{number}" for number in range(1, 6)]
pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.parametrize(
    ("interface", "mode", "pool", "told"),
    [
        ("eth9", "proxy", "", r"There is no interface 'eth9' here; there are: eth0, eth1, eth2\."),
        ("eth2", "proxy", "", "eth2 has no IPv4 address"),
        ("eth0", "both", "", "The mode is proxy, server or off, not 'both'"),
        ("eth0", "server", "", r"its first and last address, for example 10\.66\.0\.128,10\.66\.0\.254"),
        ("eth0", "server", "10.66.0.100", "its first and last address"),
        ("eth0", "server", "10.66.0.100,ten", "its first and last address"),
        ("eth0", "server", "10.66.0.150,10.66.0.100", r"ends at 10\.66\.0\.100, before it begins"),
        ("eth0", "server", "10.77.0.100,10.77.0.150", r"does not lie in 10\.66\.0\.0/24"),
        ("eth0", "server", "10.66.0.1,10.66.0.50", r"holds our own address 10\.66\.0\.1"),
        ("eth0", "server", "10.66.0.200,10.66.0.255", r"10\.66\.0\.255 belongs to no machine"),
        ("eth1", "server", "10.78.0.100,10.78.0.150", r"does not lie in 10\.77\.0\.0/24"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_do(
    interface: str, mode: str, pool: str, told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        choose(interface, mode, pool)
    assert not NetworkChoice.objects.exists()


def test_suggested_pools_keep_clear_of_our_own_address() -> None:
    found = [suggested_pool(interface) for interface in HOST.interfaces()]
    assert found == ["10.66.0.128,10.66.0.254", "10.77.0.1,10.77.0.127", ""]


def test_mode_and_pool_count_at_once() -> None:
    server = FakeDhcpServer()
    converge(server, HOST)
    assert "dhcp-range=10.66.0.1,proxy" in str(server.served)
    choose(pool="10.66.0.100, 10.66.0.150")
    assert converge(server, HOST) == ""
    assert "dhcp-range=10.66.0.100,10.66.0.150,255.255.255.0,1h" in str(server.served)
    choose(mode="off")
    converge(server, HOST)
    assert "interface=eth0" not in str(server.served)
    assert chosen() == NetworkChoice.objects.get(dhcp_range="")


def test_another_interface_leaves_dnsmasq_alone_until_the_services_run_there(here: Any) -> None:
    server = FakeDhcpServer()
    choose()
    converge(server, HOST)
    before = server.served
    choose("eth1", "server", "10.77.0.10,10.77.0.20")
    assert served(chosen()).awaits == "eth1"
    assert converge(server, HOST) == "The boot network is to be eth1; the services start again there."
    assert server.served == before
    here.BOOT_INTERFACE, here.BOOT_ADDRESS = "eth1", "10.77.0.200"
    converge(server, HOST)
    assert "interface=eth1" in str(server.served)
    assert "dhcp-range=10.77.0.10,10.77.0.20" in str(server.served)


def test_the_choice_is_copied_to_the_file_that_the_launcher_reads(here: Any) -> None:
    path = here.NETWORK_CHOICE_PATH
    assert keep_choice() == ""
    assert not path.exists()
    choose("eth1", "proxy")
    keep_choice()
    assert kept(path) == KeptChoice("eth1", "proxy", "")
    assert path.stat().st_mode & 0o777 == 0o644
    NetworkChoice.objects.all().delete()
    keep_choice()
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_a_trouble_and_no_crash(here: Any) -> None:
    here.NETWORK_CHOICE_PATH.parent.write_text("a file where the folder belongs")
    choose("eth1", "proxy")
    assert keep_choice().startswith("The chosen network cannot be kept: ")


@pytest.mark.parametrize(
    ("fixed", "values", "told"),
    [
        (["BOOT_INTERFACE"], {"interface": "eth1", "mode": "proxy"}, "BOOT_INTERFACE is set in the orch"),
        (["BOOT_ADDRESS"], {"interface": "eth1", "mode": "proxy"}, r"BOOT_ADDRESS is set .* to 10\.66\.0\.1"),
        (["DHCP_MODE"], {"mode": "server"}, "DHCP_MODE is set in the orchestrator's .*, to proxy: change"),
        (["DHCP_RANGE"], {"mode": "server"}, "DHCP_RANGE is set in the orchestrator's environment"),
    ],
)
def test_what_the_environment_says_comes_first(
    here: Any, fixed: list[str], values: dict[str, str], told: str
) -> None:
    here.NETWORK_FIXED = fixed
    here.DHCP_RANGE = "10.66.0.60,10.66.0.70" if fixed == ["DHCP_RANGE"] else ""
    with pytest.raises(ConflictError, match=told):
        choose(**values)


def test_what_the_environment_leaves_open_can_be_chosen(here: Any) -> None:
    here.NETWORK_FIXED, here.DHCP_RANGE = ["BOOT_INTERFACE", "DHCP_RANGE"], "10.66.0.60,10.66.0.70"
    choose(pool="")
    now = served(chosen())
    assert (now.dhcp_mode, now.dhcp_range) == ("server", "10.66.0.60,10.66.0.70")


def test_a_choice_for_another_interface_than_the_environments_counts_not_at_all(here: Any) -> None:
    choose("eth1", "server", "10.77.0.10,10.77.0.20")
    here.NETWORK_FIXED = ["BOOT_INTERFACE"]
    now = served(chosen())
    assert (now.interface, now.dhcp_mode, now.dhcp_range, now.awaits) == ("eth0", "proxy", "", "")


@pytest.mark.parametrize(
    ("count", "who"),
    [(1, "lab1-1 uses its disk"), (2, "lab1-1 and lab1-2 use their disks"),
     (5, "lab1-1, lab1-2, lab1-3 and 2 more use their disks")],
)  # fmt: skip
def test_machines_that_would_lose_their_disks_are_named_first(count: int, who: str) -> None:
    for number, mac in enumerate(MACS[:count], 1):
        Device.objects.create(mac=mac, device_type="x64", name=f"lab1-{number}")
        log_in(mac)
    with pytest.raises(ConflictError, match=rf"^{who} through 10\.66\.0\.1 now and would lose"):
        choose("eth1", "proxy")
    assert not NetworkChoice.objects.exists()
    choose("eth1", "proxy", interrupt=True)
    assert served(chosen()).awaits == "eth1"


def test_mode_and_pool_ask_nobody_to_shut_down() -> None:
    log_in(MACS[0])
    choose()
    assert served(chosen()).dhcp_mode == "server"


def test_a_choice_is_noted_once_and_the_wire_is_looked_at() -> None:
    choose("eth1", "proxy")
    choose("eth1", "proxy")
    assert [change.text for change in changes_of("network", "eth1")] == [
        "Chose the boot network: proxy on eth1"
    ]
    assert WireLook.objects.get(interface="eth1").requested_at is not None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"interface": "eth1"}', '{"interface": 1, "dhcp_mode": "off", "dhcp_range": ""}',
     '{"interface": "eth1\\n", "dhcp_mode": "off", "dhcp_range": ""}',
     '{"interface": "' + "x" * 5000 + '", "dhcp_mode": "off", "dhcp_range": ""}'],
)  # fmt: skip
def test_a_file_that_says_no_choice_is_none(here: Any, text: str) -> None:
    path = here.NETWORK_CHOICE_PATH
    path.parent.mkdir()
    path.write_text(text)
    assert kept(path) is None


def test_the_interfaces_of_this_host_are_told_with_their_addresses(tmp_path: Any) -> None:
    from bootflow.adapters import LocalHost

    found = LocalHost(tftp_path=tmp_path, http_path=tmp_path).interfaces()
    assert all(one.link in {"up", "no carrier", "off"} for one in found), found
    assert "lo" not in {one.name for one in found}


def test_the_pool_of_the_first_test_is_good() -> None:
    assert choose().dhcp_range == POOL
