"""Whose an address is: as dnsmasq told, and where it gives none, as the kernel's neighbour table tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootflow.recorder.neighbours import AddressBook
from bootflow.recorder.sighting import Sighting, Sign, moment
from tests.bootflow.recorder.lines import PC, PI, START

pytestmark = pytest.mark.django_db
ADDRESS = "10.66.0.180"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "arp"


def tell(table: Path, mac: str) -> None:
    table.write_text(
        f"IP address  HW type  Flags\n{ADDRESS} 0x1 0x2 {mac} * eth0\n" if mac else "IP address\n"
    )


def test_what_the_kernel_has_forgotten_is_still_known(table: Path) -> None:
    """The ROM of a Pi 3 answers no ARP request while it reads a file."""
    book = AddressBook(table)
    tell(table, PI)
    assert book.mac_of(ADDRESS) == PI
    tell(table, "")
    assert book.mac_of(ADDRESS) == PI
    table.write_text(f"IP address\n{ADDRESS} 0x1 0x0 00:00:00:00:00:00 * eth0\n")
    assert book.mac_of(ADDRESS) == PI


def test_the_kernels_newer_word_counts(table: Path) -> None:
    book = AddressBook(table)
    tell(table, PI)
    book.mac_of(ADDRESS)
    tell(table, PC)
    assert book.mac_of(ADDRESS) == PC


def test_an_address_that_dnsmasq_gave_is_known_from_its_log_first(table: Path) -> None:
    book = AddressBook(table)
    tell(table, PC)
    book.learn(Sighting(moment(START), "dhcp", "address", "", Sign.PART, PI, ADDRESS))
    assert book.mac_of(ADDRESS) == PI


@pytest.mark.parametrize("kind", ["refused", "no-offer", "ignored"])
def test_an_address_that_a_machine_only_wished_for_stays_anothers(table: Path, kind: str) -> None:
    book = AddressBook(table)
    book.learn(Sighting(moment(START), "dhcp", "address", "", Sign.PART, PI, ADDRESS))
    book.learn(Sighting(moment(START + 1), "dhcp", kind, "", Sign.PART, PC, ADDRESS))
    assert book.mac_of(ADDRESS) == PI


def test_nobody_knows_a_strangers_address(table: Path) -> None:
    assert AddressBook(table).mac_of(ADDRESS) == ""
