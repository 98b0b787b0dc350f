"""Paths of TFTP requests: what stands before the name, and whether it can be the asking Pi's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.raspberry_pi.paths import asked_path, fits_mac

PATHS = {
    "9ffefdef/start4.elf": ("9ffefdef", "", "start4.elf"),
    "9ffefdef/overlays/disable-bt.dtbo": ("9ffefdef", "", "overlays/disable-bt.dtbo"),
    "dc-a6-32-01-36-c2/start4.elf": ("", "dc:a6:32:01:36:c2", "start4.elf"),
    "start4.elf": ("", "", "start4.elf"),
    "overlays/vc4-kms-v3d.dtbo": ("", "", "overlays/vc4-kms-v3d.dtbo"),
    "9ffefdef": ("", "", "9ffefdef"),
    "9FFEFDEF/start4.elf": ("", "", "9FFEFDEF/start4.elf"),
    "9ffefdef0/start4.elf": ("", "", "9ffefdef0/start4.elf"),
    "00000000/start4.elf": ("", "", "start4.elf"),  # a placeholder, nobody's serial
    "9ffefdef/../etc/passwd": ("9ffefdef", "", "../etc/passwd"),
}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_taken_apart(path: str) -> None:
    asked = asked_path(path)
    assert (asked.serial, asked.mac, asked.name) == PATHS[path]


@given(st.text(max_size=600))
def test_any_path_is_taken_apart_and_nothing_is_made_up(path: str) -> None:
    asked = asked_path(path)
    assert path.endswith(asked.name)
    assert path.startswith(asked.prefix)
    assert not (asked.serial and asked.mac)


def test_a_board_up_to_the_pi_3_has_its_serial_in_its_address_and_a_later_one_has_not() -> None:
    assert fits_mac("b66c4c16", "b8:27:eb:6c:4c:16") is True
    assert fits_mac("9ffefdef", "b8:27:eb:6c:4c:16") is False
    assert fits_mac("9ffefdef", "dc:a6:32:01:36:c2") is None
