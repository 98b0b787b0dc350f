"""Board revision codes: which board they name, and that no number is taken for a board that it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.raspberry_pi.boards import FAMILIES, board_of

# Codes of boards as raspberrypi/documentation lists them.
BOARDS = {
    0xA02082: ("Raspberry Pi 3 Model B Rev 1.2", 1024, "BCM2837", "Raspberry Pi 3"),
    0xA22042: ("Raspberry Pi 2 Model B Rev 1.2", 1024, "BCM2837", "Raspberry Pi 3"),
    0xA01041: ("Raspberry Pi 2 Model B Rev 1.1", 1024, "BCM2836", "Raspberry Pi 2"),
    0xA020D3: ("Raspberry Pi 3 Model B Plus Rev 1.3", 1024, "BCM2837", "Raspberry Pi 3"),
    0x9020E1: ("Raspberry Pi 3 Model A Plus Rev 1.1", 512, "BCM2837", "Raspberry Pi 3"),
    0x902120: ("Raspberry Pi Zero 2 W Rev 1.0", 512, "BCM2837", "Raspberry Pi 3"),
    0x900032: ("Raspberry Pi Model B Plus Rev 1.2", 512, "BCM2835", "Raspberry Pi 1"),
    0xB03115: ("Raspberry Pi 4 Model B Rev 1.5", 2048, "BCM2711", "Raspberry Pi 4"),
    0xC03111: ("Raspberry Pi 4 Model B Rev 1.1", 4096, "BCM2711", "Raspberry Pi 4"),
    0xD03114: ("Raspberry Pi 4 Model B Rev 1.4", 8192, "BCM2711", "Raspberry Pi 4"),
    0xC03130: ("Raspberry Pi 400 Rev 1.0", 4096, "BCM2711", "Raspberry Pi 4"),
    0xD03140: ("Raspberry Pi Compute Module 4 Rev 1.0", 8192, "BCM2711", "Raspberry Pi 4"),
    0xD04170: ("Raspberry Pi 5 Model B Rev 1.0", 8192, "BCM2712", "Raspberry Pi 5"),
    0xE04171: ("Raspberry Pi 5 Model B Rev 1.1", 16384, "BCM2712", "Raspberry Pi 5"),
    0xC04180: ("Raspberry Pi Compute Module 5 Rev 1.0", 4096, "BCM2712", "Raspberry Pi 5"),
    0xD04190: ("Raspberry Pi 500 Rev 1.0", 8192, "BCM2712", "Raspberry Pi 5"),
    0xB041A0: ("Raspberry Pi Compute Module 5 Lite Rev 1.0", 2048, "BCM2712", "Raspberry Pi 5"),
}


@pytest.mark.parametrize("code", BOARDS, ids=hex)
def test_a_code_names_its_board(code: int) -> None:
    board = board_of(code)
    assert board is not None
    assert (board.model, board.memory_mib, board.processor, board.family) == BOARDS[code]
    assert board.revision == f"{code:06x}"


def test_bits_about_warranty_and_overvoltage_change_no_board() -> None:
    marked = board_of(0x02000000 | 0xD03114)
    assert marked == board_of(0xD03114)


@pytest.mark.parametrize("code", [0, 0x000E, 0x0015, 0xD03FF4, 0xD0F114, 0xF03114], ids=hex)
def test_an_old_code_and_an_unknown_board_are_not_guessed(code: int) -> None:
    assert board_of(code) is None


@given(st.integers(0, 0xFFFFFFFF))
def test_any_number_names_a_board_of_a_known_family_or_none(code: int) -> None:
    board = board_of(code)
    assert board is None or (board.family in FAMILIES.values() and int(board.revision, 16) == code & 0xFFFFFF)
