"""Whole scripts as machines get them, compared with the files in tests/golden/ipxe.

After a change that is meant: `NETBOOT_GOLDEN=write pytest tests/bootflow/test_ipxe_scripts.py`, then read
the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bootflow import ipxe
from bootflow.checkin import Secret
from bootflow.decision import Disk, Files, Situation, decide
from bootflow.firmware import DATABASE_AWAY
from bootflow.ipxe import Server

GOLDEN = Path(__file__).parent.parent / "golden" / "ipxe"
BASE = "http://10.66.0.1:8080/boot/"
MAC = "52:54:00:12:34:56"
DISK = Disk(
    image_id="disk-1",
    iqn="iqn.2026-02.local.netboot:disk-1",
    initiator_name="iqn.2026-02.local.netboot:device.525400123456",
    address="10.66.0.1",
    port=3260,
    ready=True,
)
NOT_READY = Disk(
    DISK.image_id, DISK.iqn, DISK.initiator_name, DISK.address, 3260, False, "The disk is imported."
)
DEBIAN = Files("debian-12", "debian/12", "linux", "initrd.gz", "auto=true priority=critical")
MEMTEST = Files("memtest", "tools", "memtest.bin", "", "")
KNOWN = {"mac": MAC, "state": "enrolled", "name": "pc-07", "device_type": "x64"}
SITUATIONS = {
    "boot-image": Situation(**KNOWN, disk=DISK, identity=True),
    "identity-unknown": Situation(**KNOWN, disk=DISK, identity=False),
    "not-ready": Situation(**KNOWN, disk=NOT_READY, identity=True),
    "nothing-assigned": Situation(**KNOWN, installers=(DEBIAN, MEMTEST)),
    "nothing-to-install": Situation(**KNOWN),
    "boot-once-local": Situation(**KNOWN, disk=DISK, boot_once="local"),
    "boot-once-menu": Situation(**KNOWN, disk=DISK, boot_once="menu", installers=(DEBIAN,)),
    "boot-once-installer": Situation(**KNOWN, disk=DISK, boot_once="installer", installer=DEBIAN),
    "disabled": Situation(MAC, "disabled", "pc-07", "x64", disk=DISK, identity=True),
    "unknown": Situation(MAC, "discovered", "Standard PC (Q35 + ICH9, 2009)", "x64", installers=(DEBIAN,)),
    "unknown-too-long": Situation(MAC, "discovered", gave_up=True),
}


def compare(name: str, script: str) -> None:
    path = GOLDEN / f"{name}.ipxe"
    if os.environ.get("NETBOOT_GOLDEN") == "write":
        path.write_text(script)
    assert script == path.read_text()


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_decision_is_told_by_this_script(name: str) -> None:
    now = SITUATIONS[name]
    secret = Secret("disk-1.a1b2c3", "0123456789abcdef") if now.identity else None
    compare(name, ipxe.render(Server(BASE, MAC, 2), now, decide(now), secret))


def test_the_first_script_tells_all_facts_with_free_text_last() -> None:
    compare("boot", ipxe.first_script(BASE))


def test_the_database_being_away_is_told_and_waited_for() -> None:
    compare("database-away", ipxe.waiting_script(Server(BASE, MAC, 2), DATABASE_AWAY))


def test_a_failure_is_told_before_asking_again() -> None:
    why = "The disk did not boot: there was no answer in time (iPXE error 4c126035)."
    compare("failure", ipxe.failure_script(Server(BASE, MAC, 2), why))


def test_every_golden_file_is_still_compared() -> None:
    names = {path.stem for path in GOLDEN.glob("*.ipxe")}
    assert names == {*SITUATIONS, "boot", "database-away", "failure"}
