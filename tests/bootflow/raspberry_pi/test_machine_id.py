"""Option 97 as dnsmasq logs it: which Pi speaks, and what it does not tell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.raspberry_pi.machine_id import EEPROM, OLD_EEPROM, ROM, ROM_PLUS, MachineId, machine_id_of

PI4, PI3 = "dc:a6:32:01:36:c2", "b8:27:eb:64:24:7d"


def logged(octets: bytes) -> str:
    """dnsmasq 2.90 prints 14 octets of an option, and dots for the rest."""
    return octets[:14].hex(":") + ("..." if len(octets) > 14 else "")


def told(octets: bytes, mac: str = PI4) -> MachineId:
    found = machine_id_of(logged(octets), mac)
    assert found is not None, logged(octets)
    return found


def test_a_pi_5_tells_its_exact_board_and_no_serial() -> None:
    found = machine_id_of("00:52:50:69:35:70:41:d0:00:67:01:02:03:d4...", "2c:cf:67:01:02:03")
    assert found is not None
    assert found.board is not None
    assert (found.board.model, found.board.memory_mib) == ("Raspberry Pi 5 Model B Rev 1.0", 8192)
    assert (found.revision, found.serial, found.bootloader) == ("d04170", "", EEPROM)


def test_a_pi_4_tells_its_exact_board() -> None:
    found = told(b"\0RPi4" + bytes.fromhex("1431d000320136c29ffefdef"))
    assert found.board is not None
    assert (found.board.model, found.revision) == ("Raspberry Pi 4 Model B Rev 1.4", "d03114")


def test_a_board_that_is_newer_than_our_table_is_shown_by_its_number() -> None:
    found = told(b"\0RPi4" + bytes.fromhex("f4ffd000320136c29ffefdef"))
    assert (found.board, found.revision) == (None, "d0fff4")


def test_a_pi_3_b_plus_tells_its_whole_serial() -> None:
    assert told(b"\0" + bytes.fromhex("7d246455") * 4, PI3) == MachineId(ROM_PLUS, serial="5564247d")


def test_an_old_pi_4_tells_its_serial_too() -> None:
    assert told(b"\0" + bytes.fromhex("effdfe9f") * 4) == MachineId(OLD_EEPROM, serial="9ffefdef")


def test_a_serial_that_does_not_fit_the_address_leaves_the_bootloader_open() -> None:
    assert told(b"\0" + bytes.fromhex("effdfe9f") * 4, PI3) == MachineId("", serial="9ffefdef")


def test_the_rom_of_a_pi_3_b_tells_nothing_but_what_it_is() -> None:
    assert told(b"\0" + b"\x44" * 16, PI3) == MachineId(ROM)


@pytest.mark.parametrize(
    "text",
    ["", "...", "00", "00:52:50:69:34", "00:" * 14, "zz:" * 13 + "zz...", "\0", "00:52:50:69:34\n" * 9],
)
def test_what_is_no_machine_id_of_a_pi_says_nothing(text: str) -> None:
    assert machine_id_of(text, PI4) is None


def test_a_pcs_random_guid_and_an_empty_one_are_no_pis() -> None:
    pc = bytes.fromhex("004c4c4544003051108034b5c04f4d5a31")
    assert machine_id_of(logged(pc), "52:54:00:00:00:01") is None
    assert machine_id_of(logged(bytes(17)), "52:54:00:00:00:01") is None


@given(st.binary(min_size=17, max_size=17))
def test_any_option_is_read_without_error_and_a_serial_has_eight_digits(octets: bytes) -> None:
    found = machine_id_of(logged(octets), PI4)
    assert found is None or len(found.serial) in (0, 8)


@given(st.text(max_size=60))
def test_any_text_is_read_without_error(text: str) -> None:
    found = machine_id_of(text, PI4)
    assert found is None or found.bootloader
