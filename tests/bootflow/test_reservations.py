"""Addresses are kept for Raspberry Pis whose ROM never asks for the address that it takes."""

from __future__ import annotations

import os
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from bootflow.adapters import Dnsmasq
from bootflow.convergence import converge
from bootflow.reservations import host_records, reservations
from devices.models import Device, DeviceState
from netboot_site.errors import UnavailableError
from tests.bootflow.fakes import FakeDhcpServer, FakeHost

POOL = (IPv4Address("10.66.0.100"), IPv4Address("10.66.0.150"))
MACS = [f"b8:27:eb:00:{number:02x}:{number * 7 % 256:02x}" for number in range(40)]


def test_each_has_an_address_of_its_own_in_the_pool() -> None:
    kept = reservations(MACS[:20], POOL)
    assert len(set(kept.values())) == 20
    assert all(POOL[0] <= address <= POOL[1] for address in kept.values())


def test_another_one_moves_nobody() -> None:
    few, many = reservations(MACS[:10], POOL), reservations(MACS[:20], POOL)
    assert {mac: many[mac] for mac in few} == few


def test_a_quarter_of_the_pool_is_left_to_others() -> None:
    assert list(reservations(MACS, POOL)) == MACS[:38]


def test_a_pool_of_one_address_keeps_none() -> None:
    assert reservations(MACS, (POOL[0], POOL[0])) == {}


def test_a_record_is_a_line_that_dnsmasq_takes() -> None:
    assert host_records({"b8:27:eb:00:00:01": POOL[0]}) == {"b827eb000001": "b8:27:eb:00:00:01,10.66.0.100\n"}


def test_a_record_carries_no_tag() -> None:
    """dnsmasq 2.90 crashes at SIGHUP once a dynamic host record with set: has been matched."""
    assert "set:" not in "".join(host_records(reservations(MACS, POOL)).values())


class TestFiles:
    """The folder that dnsmasq watches."""

    def test_what_is_new_appears_and_what_is_gone_goes(self, tmp_path: Path) -> None:
        server = Dnsmasq(tmp_path)
        server.reserve({"a": "1\n", "b": "2\n"})
        server.reserve({"b": "3\n"})
        assert {path.name: path.read_text() for path in (tmp_path / "hosts").iterdir()} == {"b": "3\n"}

    def test_what_is_the_same_is_left_alone(self, tmp_path: Path) -> None:
        server = Dnsmasq(tmp_path)
        server.reserve({"a": "1\n"})
        before = (tmp_path / "hosts" / "a").stat().st_ino
        server.reserve({"a": "1\n"})
        assert (tmp_path / "hosts" / "a").stat().st_ino == before

    @pytest.mark.skipif(os.geteuid() != 0, reason="a file in the folder's place does it for anyone")
    def test_a_folder_that_cannot_be_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "hosts").write_text("in the way")
        with pytest.raises(UnavailableError, match="Addresses cannot be kept"):
            Dnsmasq(tmp_path).reserve({"a": "1\n"})


@pytest.mark.django_db
class TestRound:
    """By the converger."""

    @pytest.fixture(autouse=True)
    def network(self, settings: Any) -> Any:
        settings.DHCP_MODE, settings.DHCP_RANGE = "server", "10.66.0.100,10.66.0.150"
        settings.BOOT_INTERFACE, settings.BOOT_ADDRESS = "eth0", "10.66.0.1"
        for mac in (*MACS[:2], "dc:a6:32:00:00:01", "52:54:00:00:00:01"):
            state = DeviceState.DISCOVERED if mac == MACS[1] else DeviceState.ENROLLED
            Device.objects.create(mac=mac, name=mac, device_type="raspi", state=state)
        return settings

    def test_only_those_whose_rom_may_need_it_get_one_known_or_not(self) -> None:
        server = FakeDhcpServer()
        assert converge(server, FakeHost()) == ""
        assert set(server.reserved) == {mac.replace(":", "") for mac in MACS[:2]}

    @pytest.mark.parametrize("mode", ["proxy", "off"])
    def test_where_we_hand_out_no_addresses_none_is_kept(self, network: Any, mode: str) -> None:
        network.DHCP_MODE = mode
        server = FakeDhcpServer(reserved={"b827eb000001": "b8:27:eb:00:00:01,10.66.0.100\n"})
        converge(server, FakeHost())
        assert server.reserved == {}
