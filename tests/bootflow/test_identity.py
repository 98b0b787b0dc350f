"""CHAP secrets go only to the address that a MAC address has on the boot network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from bootflow import identity
from devices.models import Device
from images.models import Export
from tests.bootflow.conftest import MAC

ADDRESS = "10.66.0.50"
HEAD = "IP address       HW type     Flags       HW address            Mask     Device\n"


@pytest.fixture
def neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    path = tmp_path / "arp"
    path.write_text(HEAD)
    monkeypatch.setattr(identity, "NEIGHBOURS_PATH", path)

    def know(address: str, mac: str, flags: str = "0x2") -> None:
        path.write_text(
            f"{path.read_text()}{address:<16} 0x1         {flags}         {mac}     *        eth0\n"
        )

    return know


@pytest.fixture
def leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, neighbours: object) -> Path:
    monkeypatch.setattr(settings, "DNSMASQ_PATH", tmp_path)
    return tmp_path / "leases"


def told(fetch: Callable[..., str], address: str = ADDRESS) -> bool:
    script = fetch(f"/boot/script?mac={MAC}", address)
    assert ("sanboot iscsi" in script) == ("identity could not be checked" not in script)
    return "0123456789abcdef" in script


@pytest.fixture(autouse=True)
def disk(device: Device, give_disk: Callable[..., Export]) -> None:
    give_disk(device)


def test_a_neighbour_with_this_address_gets_it(
    fetch: Callable[..., str], leases: Path, neighbours: Callable[..., None]
) -> None:
    neighbours(ADDRESS, MAC)
    assert told(fetch)


def test_a_stranger_that_names_the_mac_address_does_not(fetch: Callable[..., str], leases: Path) -> None:
    assert not told(fetch)


def test_a_neighbour_with_another_mac_address_does_not_even_with_a_lease(
    fetch: Callable[..., str], leases: Path, neighbours: Callable[..., None]
) -> None:
    leases.write_text(f"1900000000 {MAC} {ADDRESS} * *\n")
    neighbours(ADDRESS, "52:54:00:99:99:99")
    assert not told(fetch)


def test_a_lease_is_enough_where_the_kernel_knows_no_neighbour(
    fetch: Callable[..., str], leases: Path, neighbours: Callable[..., None]
) -> None:
    leases.write_text(f"1900000000 {MAC} {ADDRESS} pc-07 01:{MAC}\n")
    neighbours(ADDRESS, "00:00:00:00:00:00", flags="0x0")
    assert told(fetch)


@pytest.mark.parametrize(
    "address", ["10.66.0.5", "10.66.0.501", "nonsense", "", "::1", "10.66.0.50, 10.0.0.1"]
)
def test_a_lease_of_another_address_is_not(fetch: Callable[..., str], leases: Path, address: str) -> None:
    leases.write_text(f"1900000000 {MAC} {ADDRESS} pc-07 *\nnonsense\n\n")
    assert not told(fetch, address)


def test_the_secret_is_not_in_what_is_recorded(
    fetch: Callable[..., str], leases: Path, neighbours: Callable[..., None]
) -> None:
    from bootflow.models import BootEvent

    neighbours(ADDRESS, MAC)
    assert told(fetch)
    facts = BootEvent.objects.get().facts
    assert facts["plan"]["identity"] is True
    assert "0123456789abcdef" not in str(facts)
