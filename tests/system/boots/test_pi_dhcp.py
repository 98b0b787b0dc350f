"""What a played Pi says by DHCP and what our dnsmasq answers, byte by byte, in both modes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from tests.bootflow.running import Running, network
from tests.system.boots.foreign import FOREIGN_ADDRESS, foreign_dhcp_server
from tests.system.boots.pi.boards import MODELS, PI_3B, PI_3B_PLUS, PI_4B, PI_5, Board, Model
from tests.system.boots.pi.dhcp import DISCOVER, OFFER, Lease, RefusedError, frame, message, options_of
from tests.system.boots.pi.lab import served
from tests.system.boots.pi.place import PlayedPi
from tests.system.instance import Wire

pytestmark = [pytest.mark.real_dnsmasq, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
OURS = IPv4Address("10.66.0.1")
IDS = [model.key for model in MODELS]
MENU = bytes.fromhex("06 01 03  0a 04 00 50 58 45  09 17 00 00 14") + b"Raspberry Pi Boot   " + b"\xff"


@pytest.fixture(scope="module")
def server(wire: Wire) -> Iterator[Running]:
    with served(wire, "server") as running:
        yield running


@pytest.fixture(scope="class")
def proxy(wire: Wire, server: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Ours is a proxy for a while, beside a foreign DHCP server."""
    server.serve(network("proxy", wire.bridge))
    folder = tmp_path_factory.mktemp("foreign")
    with foreign_dhcp_server(wire, folder):
        yield folder
    server.serve(network("server", wire.bridge))


def lease(model: Model, wire: Wire, number: int = 1) -> Lease:
    with PlayedPi(Board.numbered(model, number), wire) as pi:
        return pi.lease()


def option(code: int, value: bytes) -> bytes:
    return bytes([code, len(value)]) + value


def test_a_pi_3bs_rom_discovers_as_captured_ones_do() -> None:
    board = Board(PI_3B, "b8:27:eb:9d:c1:5a", "ba9dc15a")
    sent = frame(board, message(board, 0x26F30339, options_of(board, DISCOVER, in_rom=True)))
    assert sent[:50] == bytes.fromhex(
        "ffffffffffff b827eb9dc15a 0800"
        "4500015c 00000000 80113992 00000000 ffffffff 00440043 01480000 01010600 26f30339"
    )
    assert sent[278:] == bytes.fromhex(
        "63825363 350101 370c 2b3c43 8081828384858687 42 5d020000 5e03010201"
        "6111 0044444444444444444444444444444444 3c20"
    ) + b"PXEClient:Arch:00000:UNDI:002001\xff"  # fmt: skip


def test_a_pi_4_names_its_model_in_its_machine_id() -> None:
    board = Board(PI_4B, "dc:a6:32:c2:1f:fe", "10000000a1b2c3d4")
    assert board.machine_id() == bytes.fromhex("00 52506934 1431c000 32c21ffe d4c3b2a1")


def test_a_pi_4s_discover_has_the_length_of_a_captured_one() -> None:
    board = Board.numbered(PI_4B, 1)
    assert len(frame(board, message(board, 1, options_of(board, DISCOVER, in_rom=True)))) == 364


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_a_server_offers_an_address_the_menu_and_itself(model: Model, wire: Wire, server: Running) -> None:
    found = lease(model, wire)
    offer = found.replies[0]
    board = Board.numbered(model, 1)
    expected = {
        54: OURS.packed, 51: bytes.fromhex("00000e10"), 58: bytes.fromhex("00000708"),
        59: bytes.fromhex("00000c4e"), 1: bytes.fromhex("ffffff00"), 28: bytes.fromhex("0a4200ff"),
        66: b"10.66.0.1\0", 60: b"PXEClient", 97: board.machine_id(in_rom=True), 43: MENU,
    }  # fmt: skip
    if 3 in model.parameters:
        expected[3] = OURS.packed
    assert {code: value for code, value in offer.options.items() if code != 53} == expected
    assert offer.raw[:4] == bytes([2, 1, 6, 0])
    assert offer.raw[8:12] == bytes(4), "flags"
    assert offer.raw[28:44] == board.hardware + bytes(10)
    assert offer.raw[44:236] == bytes(192), "a server name or a boot file, which a Pi may fall for"
    assert (found.server, offer.next_server, offer.to_everyone) == (OURS, OURS, False)


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_only_those_that_take_a_lease_are_in_the_leases_file(
    model: Model, wire: Wire, server: Running
) -> None:
    found = lease(model, wire, 2)
    leases = (server.folder / "leases").read_text()
    assert (Board.numbered(model, 2).mac in leases) == model.takes_a_lease
    assert [reply.kind for reply in found.replies] == ([2, 5] if model.takes_a_lease else [2])
    assert {reply.address for reply in found.replies} == {found.address}


def test_two_roms_of_one_transaction_number_are_not_mixed_up(wire: Wire, server: Running) -> None:
    """Every Pi 3 says 26f30339."""
    found = [lease(model, wire, number) for number in (3, 4) for model in (PI_3B, PI_3B_PLUS)]
    assert len({one.address for one in found}) == 4


@pytest.mark.parametrize("model", MODELS, ids=IDS)
class TestProxy:
    """Beside a foreign DHCP server."""

    def test_it_has_the_address_of_one_and_the_menu_of_the_other(
        self, model: Model, wire: Wire, proxy: Path
    ) -> None:
        found = lease(model, wire, 5)
        menu = next(reply for reply in found.replies if reply.menu)
        address = next(reply for reply in found.replies if int(reply.address))
        assert (str(menu.source), str(address.source)) == (str(OURS), FOREIGN_ADDRESS)
        assert IPv4Address("10.66.0.180") <= found.address <= IPv4Address("10.66.0.199")
        assert found.server == OURS

    def test_our_answer_is_the_menu_and_no_address(self, model: Model, wire: Wire, proxy: Path) -> None:
        found = lease(model, wire, 6)
        ours = [reply for reply in found.replies if reply.source == OURS]
        assert ours[0].kind == OFFER
        machine_id = Board.numbered(model, 6).machine_id(in_rom=True)
        assert ours[0].options == {53: b"\2", 54: OURS.packed, 60: b"PXEClient", 97: machine_id, 43: MENU}
        assert ours[0].raw[12:24] == bytes(8) + OURS.packed, "client, your and next server's address"
        assert ours[0].raw[44:236] == bytes(192)


class TestRefused:
    """What a ROM does not take; the played one gives up after a second, and not after half a minute."""

    @pytest.fixture
    def silent_wire(self) -> Iterator[Wire]:
        with Wire.create() as wire:
            yield wire

    def test_nobody_answers(self, silent_wire: Wire) -> None:
        with pytest.raises(RefusedError, match="Nobody offers an address"):
            lease(hasty(PI_4B), silent_wire, 8)

    @pytest.mark.parametrize("model", [PI_3B, PI_4B, PI_5], ids=["pi3", "pi4", "pi5"])
    def test_an_address_alone(self, model: Model, silent_wire: Wire, tmp_path: Path) -> None:
        with foreign_dhcp_server(silent_wire, tmp_path), pytest.raises(RefusedError, match="option 43"):
            lease(hasty(model), silent_wire, 9)

    def test_a_pi_3b_needs_three_spaces_that_a_pi_4_does_not(self, wire: Wire, server: Running) -> None:
        server.server.install(server.config(network("server", wire.bridge)).replace("Boot   ", "Boot"))
        server.server.restart()
        server.wait()
        try:
            assert lease(PI_4B, wire, 10).server == OURS
            with pytest.raises(RefusedError, match="Raspberry Pi Boot   "):
                lease(hasty(PI_3B), wire, 10)
        finally:
            server.serve(network("server", wire.bridge))


def hasty(model: Model) -> Model:
    return dataclasses.replace(model, tries=1, try_seconds=1.5)
