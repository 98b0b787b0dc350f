"""An unknown BIOS PC in server mode: it waits, is approved, and boots its own disk without a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from netboot_site.formats import device_code
from tests.system.boots.conftest import FirstBoot
from tests.system.boots.mixed import (
    pis_get_their_own,
    plain_bios_pc_gets_undionly,
    uefi_pc_loaded_snponly,
    wait_for_script,
)
from tests.system.boots.pc import UP, Pc, read_from_disk, wait_until
from tests.system.instance import Instance

pytestmark = [pytest.mark.qemu, pytest.mark.real_tgtd, pytest.mark.real_dnsmasq, pytest.mark.slow]


def test_it_is_shown_with_what_it_told_of_itself(first_boot: FirstBoot) -> None:
    unknown, facts = first_boot.unknown, first_boot.unknown["facts"]
    assert unknown["serial"] == "SN1"
    assert (unknown["architecture"], unknown["firmware"]) == ("x86_64", "bios")
    assert facts["manufacturer"] == "Netboot"
    assert facts["product"] == "Test PC 1"


def test_its_console_shows_what_a_person_finds_it_by(first_boot: FirstBoot) -> None:
    mac = first_boot.pc.mac
    for text in (mac, device_code(mac), "Approve it in the dashboard"):
        assert text in first_boot.waiting_console


def test_approved_it_boots_without_a_restart(first_boot: FirstBoot) -> None:
    assert first_boot.console.count("SeaBIOS (version") == 1
    assert first_boot.waiting_console in first_boot.console
    assert f"{UP} (/dev/sda2 from {first_boot.pc.instance.address})" in first_boot.console


def test_it_has_left_its_mark_on_its_own_disk(first_boot: FirstBoot, tmp_path: Path) -> None:
    marker = read_from_disk(first_boot.pc.instance, first_boot.image, "marker", tmp_path)
    assert f"mac {first_boot.pc.mac}\n" in marker
    assert marker.split()[1] in first_boot.console, "the marker is not this boot's"


def test_the_recorder_tells_each_stage_in_order(first_boot: FirstBoot) -> None:
    events = first_boot.boot["events"]
    reached = list(dict.fromkeys(event["stage"] for event in events))
    assert reached == ["dhcp", "script", "iscsi", "os"], events
    elapsed = [event["elapsed_seconds"] for event in events]
    assert elapsed == sorted(elapsed), elapsed
    assert all(event["detail"] for event in events), events


def test_the_boot_is_ok_and_needs_no_reason(first_boot: FirstBoot) -> None:
    assert (first_boot.boot["stage"], first_boot.boot["outcome"]) == ("os", "ok")
    assert first_boot.boot["finished_at"]


def test_from_pxe_to_the_system_takes_less_than_a_minute(first_boot: FirstBoot) -> None:
    """The time that it waited for a person is not counted: all but the seconds up to its last script."""
    events = first_boot.boot["events"]
    scripts = [event["elapsed_seconds"] for event in events if event["kind"] == "script"]
    up = next(event["elapsed_seconds"] for event in events if event["stage"] == "os")
    waited = scripts[-1] - scripts[0]
    assert up - waited < 60, events


def test_our_own_part_of_the_boot_is_below_a_second(first_boot: FirstBoot) -> None:
    told = [e["facts"]["seconds"] for e in first_boot.boot["events"] if e["kind"] in ("discover", "script")]
    assert len(told) >= 3, "not every answer tells how long the machine waited for it"
    assert 0 < first_boot.boot["own_seconds"] < 1, told


def test_its_session_is_shown(first_boot: FirstBoot) -> None:
    image = first_boot.pc.instance.api("GET", f"/api/v1/images/{first_boot.image}").json
    assert image["assigned_to"] == first_boot.pc.mac


def test_its_disk_cannot_be_taken_away_while_it_runs(first_boot: FirstBoot) -> None:
    instance, mac = first_boot.pc.instance, first_boot.pc.mac
    for method, path in (
        ("DELETE", f"/api/v1/devices/{mac}"),
        ("PUT", f"/api/v1/images/{first_boot.image}/unassign"),
        ("DELETE", f"/api/v1/images/{first_boot.image}"),
    ):
        answer = instance.api(method, path)
        assert answer.status == 409, f"{method} {path}: {answer.status} {answer.text}"


def test_the_system_writes_on_after_iscsid_took_the_session_over(first_boot: FirstBoot) -> None:
    before = first_boot.pc.last_record()
    wait_until("five more records", lambda: first_boot.pc.last_record() >= before + 5, 60)


def test_a_pi_and_a_uefi_pc_on_its_wire_each_get_their_own_loader(
    first_boot: FirstBoot, room: Instance, work: Path
) -> None:
    """Besides this PC, whose card is an iPXE and went straight to its script, and one with a plain card."""
    uefi = Pc.plug(room, work, 9, "uefi")
    uefi.register()
    uefi.machine.power_on()
    try:
        pis_get_their_own(room)
        plain_bios_pc_gets_undionly(room, "10.66.0.210")
        wait_for_script(uefi)
    finally:
        uefi.machine.power_off()
    uefi_pc_loaded_snponly(uefi.boots())
    assert first_boot.boot["outcome"] == "ok"
