"""What a boot's events tell of a Pi, weighed against what is known: whatever is said, identity stays."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bootflow.raspberry_pi.learning import Told, told_by, weigh
from bootflow.raspberry_pi.machine_id import EEPROM, ROM

PI4, PI3 = "dc:a6:32:01:36:c2", "b8:27:eb:64:24:7d"
serials = st.sampled_from(["", "5564247d", "9ffefdef", "00000000"])
rows = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "client": st.sampled_from(["rpi", "os", "ipxe"]),
            "serial": serials,
            "serial_asked": serials,
            "file": st.text(max_size=40),
            "role": st.sampled_from(["firmware", "kernel"]),
            "board_revision": st.sampled_from(["d03114", "c03130", "ffffff", "000000", "d0fff4", ""]),
            "bootloader": st.sampled_from([EEPROM, ROM, ""]),
        },
    ),
    max_size=12,
)


def test_option_97_counts_before_the_folder_that_was_asked_for() -> None:
    told = told_by([{"serial_asked": "11112222"}, {"serial": "9ffefdef"}], PI4)
    assert (told.serial, told.other_serial) == ("9ffefdef", "11112222")


def test_a_pi_3_is_asked_for_what_fits_its_address() -> None:
    told = told_by([{"serial_asked": "11112222"}, {"serial_asked": "5564247d"}], PI3)
    assert (told.serial, told.other_serial) == ("5564247d", "11112222")


def test_an_unknown_board_is_shown_by_its_number_and_its_files() -> None:
    told = told_by([{"board_revision": "d0fff4"}, {"file": "9ffefdef/start4.elf", "role": "firmware"}], PI4)
    assert (told.facts["board_revision"], told.facts["family"]) == ("d0fff4", "Raspberry Pi 4")


@given(rows, st.sampled_from([PI3, PI4]))
def test_any_events_are_read_and_a_pi_3s_serial_always_fits(found: list[dict[str, Any]], mac: str) -> None:
    told = told_by(found, mac)
    assert mac == PI4 or told.serial in ("", "5564247d")
    assert told.serial != told.other_serial or not told.serial
    assert all(told.facts.values())


@given(rows, serials, st.booleans())
def test_an_enrolled_devices_serial_and_board_are_never_rewritten(
    found: list[dict[str, Any]], serial: str, is_taken: bool
) -> None:
    model = "Raspberry Pi 5 Model B Rev 1.0"
    known = {"model": model, "board_revision": "d04170", "family": "x", "product": "x", "memory_mib": 8192}
    learnt = weigh(told_by(found, PI4), serial=serial, facts=known, is_enrolled=True, is_taken=is_taken)
    assert set(learnt.facts) <= {"bootloader", "serial_seen"}
    assert learnt.serial is None or (serial == "" and not is_taken)


@given(rows, serials, st.booleans())
def test_what_was_learnt_once_is_no_news_the_second_time(
    found: list[dict[str, Any]], serial: str, is_enrolled: bool
) -> None:
    told = told_by(found, PI4)
    first = weigh(told, serial=serial, facts={}, is_enrolled=is_enrolled, is_taken=False)
    now = first.serial if first.serial is not None else serial
    second = weigh(told, serial=now, facts=first.facts, is_enrolled=is_enrolled, is_taken=False)
    assert (second.serial, second.facts) == (None, {})


def test_nothing_told_is_nothing_learnt() -> None:
    learnt = weigh(Told("", "", {}), serial="9ffefdef", facts={}, is_enrolled=True, is_taken=False)
    assert (learnt.serial, learnt.facts, learnt.forget) == (None, {}, ())


def test_what_was_odd_about_an_earlier_boot_is_forgotten_when_one_goes_well() -> None:
    kernel = {"file": "9ffefdef/kernel8.img", "role": "kernel", "kind": "file"}
    odd = {"asks": {"folder": "none"}}
    for rows, forgotten in (([], ()), ([{**kernel, "kind": "file-missing"}], ()), ([kernel], ("asks",))):
        told = told_by(rows, PI4)
        learnt = weigh(told, serial="", facts=odd, is_enrolled=True, is_taken=False)
        assert learnt.forget == forgotten, rows
