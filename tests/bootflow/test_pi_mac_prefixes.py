"""MAC addresses that are taken for Raspberry Pis': the list is extended by rows, and dnsmasq follows."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from bootflow.convergence import converge
from bootflow.models import PiMacPrefix
from bootflow.raspberry_pi.identity import MAC_PREFIXES, is_pi_mac, mac_patterns
from tests.bootflow.fakes import FakeDhcpServer, FakeHost
from tests.conftest import Api

pytestmark = pytest.mark.django_db
PATH = "/api/v1/pi-mac-prefixes"


@pytest.fixture(autouse=True)
def network(settings: Any) -> None:
    settings.DHCP_MODE, settings.DHCP_RANGE = "server", "10.66.0.100,10.66.0.150"
    settings.BOOT_INTERFACE, settings.BOOT_ADDRESS = "eth0", "10.66.0.1"


def test_one_is_added_in_any_spelling_listed_and_removed(api: Api) -> None:
    added = api.post(PATH, {"prefix": "02:AB:cd", "note": "lab boards"})
    assert (added.status_code, added.json()) == (
        201, {"prefix": "02abcd", "note": "lab boards", "built_in": False},
    )  # fmt: skip
    assert added.json() in api.get(PATH).json()
    assert api.delete(f"{PATH}/02-ab-cd").status_code == 204
    assert added.json() not in api.get(PATH).json()
    assert api.delete(f"{PATH}/02abcd").status_code == 404


def test_those_that_are_built_in_are_listed_and_stay(api: Api) -> None:
    listed = api.get(PATH).json()
    assert [row["prefix"] for row in listed if row["built_in"]] == list(MAC_PREFIXES)
    assert api.delete(f"{PATH}/b827eb").status_code == 409


@pytest.mark.parametrize(
    "prefix", ["", "b8:27", "xyzxyz", "02abcdef01", "02:ab:cd\nport=53", "03abcd", "0" * 200, "02\u0661bcd"]
)
def test_what_is_no_beginning_of_an_address_is_refused(api: Api, prefix: str) -> None:
    assert api.post(PATH, {"prefix": prefix}).status_code == 422
    assert not PiMacPrefix.objects.exists()


@pytest.mark.parametrize("prefix", ["b8:27:eb", "b827ebc", "02abcd"])
def test_what_is_known_already_is_refused(api: Api, prefix: str) -> None:
    PiMacPrefix.objects.create(prefix="02abcd")
    assert api.post(PATH, {"prefix": prefix}).status_code == 409


def test_a_note_stands_on_one_line(api: Api) -> None:
    assert api.post(PATH, {"prefix": "02abcd", "note": "a\nport=53"}).status_code == 422


def test_without_a_token_nothing_is_told_or_changed(client: Client) -> None:
    assert client.get(PATH).status_code == 401
    assert client.post(PATH, {"prefix": "02abcd"}, "application/json").status_code == 401
    assert not PiMacPrefix.objects.exists()


def test_dnsmasq_is_told_of_it_by_the_next_round_and_forgets_it_with_the_row() -> None:
    server = FakeDhcpServer()
    row = PiMacPrefix.objects.create(prefix="02abcd")
    converge(server, FakeHost())
    assert "dhcp-mac=set:rpi,02:ab:cd:*:*:*" in (server.served or "")
    row.delete()
    converge(server, FakeHost())
    assert "02:ab:cd" not in (server.served or "")


@pytest.mark.parametrize(
    ("prefix", "patterns"),
    [
        ("02abcd", ["02:ab:cd:*:*:*"]),
        ("02abcdef", ["02:ab:cd:ef:*:*"]),
        ("02abcdef1", [f"02:ab:cd:ef:1{digit}:*" for digit in "0123456789abcdef"]),
    ],
)
def test_a_beginning_of_any_length_is_a_pattern_of_whole_octets(prefix: str, patterns: list[str]) -> None:
    assert mac_patterns([prefix])[len(mac_patterns()) :] == patterns
    assert is_pi_mac(patterns[0].replace("*", "00"), [prefix])


def test_one_that_is_named_twice_is_one_line() -> None:
    assert mac_patterns(["b827eb"]) == mac_patterns()
