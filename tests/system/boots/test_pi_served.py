"""Raspberry Pis before a running orchestrator: kernel sets and rows become what each firmware fetches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.boots.pc import wait_until
from tests.system.boots.pi.boards import MODELS, PI_3B_PLUS, PI_4B, PI_5, Board
from tests.system.boots.pi.place import PlayedPi, plugged, power_on_together
from tests.system.boots.pi.rom import Fetched
from tests.system.boots.pi.room import (
    SERVER_MODE,
    boots,
    device,
    enrol,
    make_set,
    page,
    room,
    small_files,
    wait_for_trees,
)
from tests.system.instance import Instance

pytestmark = [
    pytest.mark.real_dnsmasq,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
TOGETHER, ALL = 30, 100
BOARDS = [Board.numbered(MODELS[number % len(MODELS)], number) for number in range(1, ALL + 1)]


@pytest.fixture(scope="module")
def classroom(folder: Path) -> Iterator[Instance]:
    """A hundred Pis of four models with one kernel set."""
    with room(folder, SERVER_MODE) as instance:
        make_set(instance, "small", small_files())
        for board in BOARDS:
            enrol(instance, board, kernel_set="small")
        wait_for_trees(instance, BOARDS)
        yield instance


def tftp_root(instance: Instance) -> Path:
    return instance.data_path / "tftp"


def test_thirty_that_start_together_each_get_their_own_tree(classroom: Instance) -> None:
    chosen = BOARDS[:TOGETHER]
    with plugged(PlayedPi(board, classroom.wire) for board in chosen) as pis:
        became = power_on_together(pis)
    assert [one for one in became if not isinstance(one, Fetched)] == []
    whole = [one for one in became if isinstance(one, Fetched)]
    assert [one.prefix for one in whole] == [f"{board.short_serial}/" for board in chosen]
    assert {one.kernel for one in whole} == {small_files()["kernel8.img"]}
    assert sum(file.resent for one in whole for file in one.transfers) == 0


def test_the_recorder_mixes_none_of_them_up(classroom: Instance) -> None:
    """Old ROMs all use one transaction number; every file is told with the Pi that asked for it."""
    for board in BOARDS[:TOGETHER]:
        wait_until(f"{board.mac} has a boot", lambda mine=board: boots(classroom, mine), 30)  # type: ignore[misc]
        events = boots(classroom, board)[0]["events"]
        others = {other.short_serial for other in BOARDS} - {board.short_serial}
        assert not [event for event in events if any(serial in str(event) for serial in others)], events


def test_a_set_of_a_hundred_is_stored_once(classroom: Instance) -> None:
    store = [path for path in (tftp_root(classroom) / ".store").iterdir() if path.is_file()]
    contents = {
        bytes(data) for name, data in small_files().items() if name not in ("config.txt", "cmdline.txt")
    }
    kept = {path.read_bytes() for path in store}
    assert contents <= kept
    assert len(store) == len(kept) <= len(small_files())
    ours = (path for folder in (".sets", ".trees") for path in (tftp_root(classroom) / folder).iterdir())
    linked = {path.stat().st_ino for tree in ours for path in tree.glob("kernel8.img")}
    assert len(linked) == 1


def test_nothing_links_out_of_the_root(classroom: Instance) -> None:
    root = tftp_root(classroom).resolve()
    outside = [path for path in root.rglob("*") if not path.resolve().is_relative_to(root)]
    assert outside == []


def test_one_that_is_disabled_loses_its_tree_and_gets_it_back(classroom: Instance) -> None:
    board = BOARDS[2]
    own = tftp_root(classroom) / board.short_serial
    assert own.exists()
    for enabled in (False, True):
        change = classroom.api("PATCH", f"/api/v1/devices/{board.mac}", {"enabled": enabled})
        assert change.status == 200, change.text
        wait_until(f"its tree is there: {enabled}", lambda wanted=enabled: own.exists() == wanted, 20)  # type: ignore[misc]


def test_one_that_is_deleted_loses_its_tree(classroom: Instance) -> None:
    board = BOARDS[-1]
    assert classroom.api("DELETE", f"/api/v1/devices/{board.mac}").status == 204
    names = [board.short_serial, board.mac.replace(":", "-")]
    wait_until(
        "its tree is gone", lambda: not any((tftp_root(classroom) / name).exists() for name in names), 20
    )


class TestSerials:
    """Serials that cannot be right."""

    def test_two_with_one_serial_are_both_told_so(self, classroom: Instance) -> None:
        first, second = (Board.numbered(PI_5, number) for number in (201, 202))
        enrol(classroom, first, kernel_set="small", name="The first")
        enrol(classroom, second, kernel_set="small", name="The second", serial=first.serial)
        for board, other in ((first, "The second"), (second, "The first")):
            wait_until("a conflict is told", lambda mine=board: state(classroom, mine) == "conflict", 20)  # type: ignore[misc]
            assert other in device(classroom, board)["pi_tree"]["last_error"]
        assert not (tftp_root(classroom) / first.short_serial).exists()
        assert (tftp_root(classroom) / second.mac.replace(":", "-")).exists()

    def test_a_serial_that_it_does_not_ask_with_is_told_and_not_changed(self, classroom: Instance) -> None:
        board = Board.numbered(PI_4B, 203)
        enrol(classroom, board, kernel_set="small", serial="10000000deadbeef")
        with PlayedPi(board, classroom.wire) as pi:
            pi.ask(f"{board.short_serial}/start4.elf")
        told = lambda: [one for one in device(classroom, board)["advice"] if "serial" in one["title"]]  # noqa: E731
        wait_until("its advice tells it", told, 40)
        assert board.short_serial in told()[0]["text"]
        assert board.short_serial in page(classroom, f"/devices/{board.mac}/")
        assert device(classroom, board)["serial"].endswith("deadbeef")

    def test_a_pi_3_cannot_take_anothers_serial(self, classroom: Instance) -> None:
        board, other = Board.numbered(PI_3B_PLUS, 204), BOARDS[0]
        enrol(classroom, board, kernel_set="small", serial="")
        with PlayedPi(board, classroom.wire) as pi:
            pi.ask(f"{other.short_serial}/start.elf")
        wait_until("its serial is learnt", lambda: device(classroom, board)["serial"], 20)
        assert device(classroom, board)["serial"] == board.serial


def state(instance: Instance, board: Board) -> str:
    tree = device(instance, board)["pi_tree"]
    return str(tree["state"]) if tree else ""
