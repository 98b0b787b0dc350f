"""Advice about a Raspberry Pi's bootloader: it is given where it applies, names the remedy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.raspberry_pi.advice import NEW_LIMIT, OLD_LIMIT, advice_for
from bootflow.raspberry_pi.learning import told_by
from bootflow.raspberry_pi.machine_id import EEPROM, OLD_EEPROM, ROM, ROM_PLUS
from devices.models import Device
from tests.conftest import Api

MAC = "dc:a6:32:01:36:c2"


def texts(facts: dict[str, Any], *, was_seen: bool = True) -> str:
    return "\n".join(f"{one.title}: {one.text}" for one in advice_for(facts, was_seen=was_seen))


def asked(*rows: dict[str, Any]) -> dict[str, Any]:
    """The facts that a boot with these files leaves."""
    return told_by([{"kind": "file", "role": "firmware", **row} for row in rows], MAC).facts


CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "boot ROM of a Pi 3": ({"bootloader": ROM}, ["five times, five seconds apart", "three spaces"]),
    "boot ROM of a Pi 3 Plus": ({"bootloader": ROM_PLUS}, ["spanning tree", "portfast"]),
    "EEPROM": ({"bootloader": EEPROM}, ["BOOT_ORDER", "0xf21", "starts over"]),
    "old EEPROM": ({"bootloader": OLD_EEPROM}, ["DHCP_OPTION97=0", "Update the bootloader", "BOOT_ORDER"]),
    "another serial": ({"serial_seen": "9ffefdef"}, ["asks as 9ffefdef", "board was exchanged"]),
    "a folder of somebody's choice": (
        asked({"file": "class7/start4.elf"}), ["the folder class7", "TFTP_PREFIX=1", "Set TFTP_PREFIX=0"],
    ),
    "no folder": (asked({"file": "start4.elf"}), ["without its serial number", "Set TFTP_PREFIX=0"]),
    "a file beyond old blocks": (
        asked({"file": "9ffefdef/initramfs8", "bytes": OLD_LIMIT + 1}),
        ["initramfs8 has 63 MiB", "before 2025-09-23", "blocks of 1024 bytes", "MODULES=dep"],
    ),
    "a file beyond new blocks": (
        asked({"file": "9ffefdef/initramfs8", "bytes": NEW_LIMIT + 1}), ["91 MiB", "blocks of 1468 bytes"],
    ),
    "a slow file": (asked({"file": "9ffefdef/initramfs8", "seconds": 21.0}), ["TFTP_FILE_TIMEOUT=300000"]),
    "a file that was cut": (
        asked({"file": "9ffefdef/initramfs8", "kind": "file-failed"}), ["initramfs8 did not arrive whole"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_known_limit_is_told_with_its_remedy(name: str) -> None:
    facts, words = CASES[name]
    told = texts(facts)
    assert [word for word in words if word not in told] == [], told


@pytest.mark.parametrize(
    "row",
    [
        {"file": "9ffefdef/start4.elf"},
        {"file": "dc-a6-32-01-36-c2/start4.elf"},
        {"file": "9ffefdef/initramfs8", "bytes": OLD_LIMIT, "seconds": 19.0},
        {"file": "bootcode.bin"},
    ],
)
def test_what_is_as_it_should_be_gets_no_advice(row: dict[str, Any]) -> None:
    assert texts(asked(row)) == ""


def test_a_file_that_came_whole_at_the_second_try_gets_none() -> None:
    file = {"file": "9ffefdef/initramfs8"}
    assert texts(asked({**file, "kind": "file-failed"}, file)) == ""


def test_a_pi_that_was_never_seen_is_told_how_each_model_is_made_to_ask() -> None:
    told = texts({}, was_seen=False)
    assert "BOOT_ORDER" in told
    assert "program_usb_boot_mode=1" in told
    assert texts({}) == ""


@given(
    st.dictionaries(
        st.sampled_from(["bootloader", "serial_seen", "asks", "model"]),
        st.one_of(
            st.text(max_size=20), st.integers(), st.just({"folder": "none"}), st.none(), st.lists(st.text())
        ),
    )
)
def test_any_facts_are_read_without_error(facts: dict[str, Any]) -> None:
    assert all(one.title and one.text for one in advice_for(facts, was_seen=True))


@pytest.mark.django_db
def test_over_rest_a_raspberry_pi_has_its_advice_and_a_pc_has_none(api: Api) -> None:
    Device.objects.create(mac=MAC, name="pi", device_type="raspi", facts={"bootloader": ROM})
    Device.objects.create(mac="52:54:00:00:00:01", name="pc", device_type="x64", facts={"bootloader": ROM})
    rows = {row["mac"]: row["advice"] for row in api.get("/api/v1/devices").json()}
    assert rows["52:54:00:00:00:01"] == []
    assert "Its boot ROM tries for 25 seconds" in [one["title"] for one in rows[MAC]]
    assert api.get(f"/api/v1/devices/{MAC}").json()["advice"] == rows[MAC]
