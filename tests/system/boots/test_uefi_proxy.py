"""A UEFI PC in proxy mode, beside a DHCP server that is not ours and that hands out every address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system.boots.foreign import foreign_dhcp_server
from tests.system.boots.mixed import (
    pis_get_their_own,
    plain_bios_pc_gets_undionly,
    uefi_pc_loaded_snponly,
    wait_for_script,
)
from tests.system.boots.pc import UP, Pc, make_image, read_from_disk
from tests.system.instance import Instance, Wire

pytestmark = [pytest.mark.qemu, pytest.mark.real_tgtd, pytest.mark.real_dnsmasq, pytest.mark.slow]


@pytest.fixture(scope="module")
def proxy_room(work: Path) -> Iterator[Instance]:
    """An orchestrator in proxy mode, with a foreign DHCP server on the same wire."""
    with Wire.create() as wire, foreign_dhcp_server(wire, work), Instance(wire, work / "proxy") as instance:
        yield instance


@dataclass
class UefiBoot:
    """What was seen of the UEFI PC's boot; it is off again."""

    pc: Pc
    console: str
    boot: dict[str, Any]
    leases: str


@pytest.fixture(scope="module")
def uefi_boot(proxy_room: Instance, work: Path) -> UefiBoot:
    make_image(proxy_room, "uefi", work)
    pc = Pc.plug(proxy_room, work, 7, "uefi")
    pc.register("uefi")
    pc.machine.power_on()
    try:
        console = pc.wait_for(UP)
        return UefiBoot(pc, console, pc.finished_boot("ok"), (work / "foreign-leases").read_text())
    finally:
        pc.machine.power_off()


def test_it_boots_its_disk(uefi_boot: UefiBoot) -> None:
    assert f"{UP} (/dev/sda2 from {uefi_boot.pc.instance.address})" in uefi_boot.console


def test_the_foreign_server_gave_its_address(uefi_boot: UefiBoot) -> None:
    assert uefi_boot.pc.mac in uefi_boot.leases
    assert "10.66.0.1" in uefi_boot.console
    ours = uefi_boot.pc.instance.data_path / "dnsmasq" / "leases"
    assert not ours.exists() or uefi_boot.pc.mac not in ours.read_text()


def test_it_has_left_its_mark_on_its_own_disk(uefi_boot: UefiBoot, tmp_path: Path) -> None:
    marker = read_from_disk(uefi_boot.pc.instance, "uefi", "marker", tmp_path)
    assert marker.count("\n") == 1
    assert f"mac {uefi_boot.pc.mac}\n" in marker
    assert marker.split()[1] in uefi_boot.console


def test_the_recorder_tells_each_stage_the_loader_by_tftp_included(uefi_boot: UefiBoot) -> None:
    events = uefi_boot.boot["events"]
    reached = list(dict.fromkeys(event["stage"] for event in events))
    assert sorted(set(reached), key=["dhcp", "tftp", "script", "iscsi", "os"].index) == [
        "dhcp", "tftp", "script", "iscsi", "os",
    ], events  # fmt: skip
    loaders = [event for event in events if "snponly.efi" in str(event)]
    assert loaders, events


def test_from_pxe_to_the_system_takes_less_than_a_minute(uefi_boot: UefiBoot) -> None:
    up = next(e["elapsed_seconds"] for e in uefi_boot.boot["events"] if e["stage"] == "os")
    assert up < 60, uefi_boot.boot["events"]


def test_our_own_part_of_the_boot_is_below_a_second(uefi_boot: UefiBoot) -> None:
    assert 0 < uefi_boot.boot["own_seconds"] < 1, uefi_boot.boot["events"]


def test_we_handed_out_no_address(uefi_boot: UefiBoot) -> None:
    log = (uefi_boot.pc.instance.data_path / "logs" / "dnsmasq.log").read_text()
    assert "PXE(" in log, "our dnsmasq was never asked"
    assert "DHCPACK" not in log


def test_a_pi_a_bios_pc_and_a_uefi_pc_on_this_wire_each_get_their_own_loader(
    uefi_boot: UefiBoot, proxy_room: Instance, work: Path
) -> None:
    bios = Pc.plug(proxy_room, work, 8)
    bios.machine.power_on()
    try:
        pis_get_their_own(proxy_room)
        plain_bios_pc_gets_undionly(proxy_room, "10.66.0.210")
        wait_for_script(bios)
    finally:
        bios.machine.power_off()
    uefi_pc_loaded_snponly(uefi_boot.pc.boots())
