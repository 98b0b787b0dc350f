"""iPXE's error numbers in words: the first octet is the meaning, whatever the build."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.firmware import EVENTS
from bootflow.trouble import explain

UNKNOWN = "the boot loader gave no known reason"
# Numbers as iPXE printed them (ipxe.org/err), with what a person is told.
NUMBERS = {
    "0x02126002": "access was denied",
    "0b8080a0": "the operation was cancelled",
    "0x0e0a6095": "the connection was refused",
    "f0a6039": "the connection was reset",
    "1a086094": "the server could not be reached",
    "1d704139": "the disk could not be read or holds nothing that boots",
    "280a6090": "there is no route to the server",
    "2d0c613b": "the file was not found",
    "2e008001": "it is no program that this firmware can start",
    "31062006": "the machine has too little memory",
    "38086193": "the connection was lost",
    "3c092003": "the boot loader does not support it",
    "410de13b": "the password or the initiator name was refused",
    "0x4c0a6035": "there was no answer in time",
}


@pytest.mark.parametrize("error", NUMBERS)
def test_each_number_has_its_words(error: str) -> None:
    said = explain("installer-failed", error)
    assert said.startswith(f"The installer did not start: {NUMBERS[error]} (iPXE error ")
    assert said.endswith(f"{error.removeprefix('0x').zfill(8)}).")


@pytest.mark.parametrize("error", ["0xFF000000", "7", "0x0", "00000001", "3d000000"])
def test_a_number_without_a_meaning_is_told_as_it_is(error: str) -> None:
    number = error.lower().removeprefix("0x").zfill(8)
    assert explain("sanboot-failed", error) == f"The disk did not boot: {UNKNOWN} (iPXE error {number})."


@pytest.mark.parametrize("error", ["0x", "0x123456789", "4c126035 ", "-1", "${errno}", "4c12\n6035", "g"])
def test_what_is_no_number_of_ipxe_is_left_out(error: str) -> None:
    assert explain("sanboot-failed", error) == "The disk did not boot."


def test_a_choice_of_the_local_disk_is_no_error() -> None:
    assert explain("local", "4c126035") == "The local disk was chosen."


@given(st.sampled_from(sorted(EVENTS)), st.text(max_size=300))
def test_every_report_is_one_printable_sentence(event: str, error: str) -> None:
    said = explain(event, error)
    assert said.endswith(".")
    assert said.isprintable()
    assert len(said) < 160
