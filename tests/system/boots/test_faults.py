"""kill -9 of each daemon while a PC writes: it comes back, the PC writes on, and nothing is lost."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from time import monotonic

import pytest

from tests.system.boots.conftest import FirstBoot
from tests.system.boots.pc import read_from_disk, wait_until
from tests.system.instance import Instance

pytestmark = [pytest.mark.qemu, pytest.mark.real_tgtd, pytest.mark.real_dnsmasq, pytest.mark.slow]
BACK_WITHIN_SECONDS = 30.0
# iscsid tries again after at most 30 s (its node.conn[0].timeo settings), and emulation is slow.
WRITES_WITHIN_SECONDS = 60.0
PROGRAMS = [
    "tgtd",
    "dnsmasq",
    "redis",
    "worker-storage",
    "worker-control",
    "web",
    "boot",
    "recorder",
    "postgres",
]


class Clerk:
    """Registers device after device, and keeps those that were acknowledged."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.acknowledged: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)

    def _work(self) -> None:
        number = 0
        while not self._stop.wait(0.3):
            number += 1
            mac = f"52:54:01:00:{number >> 8:02x}:{number & 255:02x}"
            body = {"mac": mac, "device_type": "x86", "name": f"Row {number}"}
            try:
                if self.instance.api("POST", "/api/v1/devices", body, timeout=5).status == 201:
                    self.acknowledged.append(mac)
            except (OSError, HTTPException):
                continue  # not acknowledged


@pytest.fixture(scope="module")
def clerk(room: Instance, first_boot: FirstBoot) -> Iterator[Clerk]:
    # Before iscsid has taken the session over, nobody in the PC would log in again.
    wait_until("iscsid holds the session", lambda: first_boot.pc.last_record() >= 5, 60)
    made = Clerk(room)
    yield made
    made.stop()


def acknowledged_rows_missing(instance: Instance, acknowledged: list[str]) -> list[str]:
    kept = {device["mac"] for device in instance.api("GET", "/api/v1/devices?limit=10000").json}
    return [mac for mac in acknowledged if mac not in kept]


def runs_again(instance: Instance, program: str, killed: int) -> bool:
    """Whether the supervisor has started it anew; its note is empty for a moment while it is written."""
    note = instance.run_path / "supervisor" / f"{program}.started"
    return note.read_text().strip() not in ("", str(killed))


def makes_an_image(instance: Instance, name: str) -> bool:
    """Whether work goes all the way: REST, Redis, worker, disk."""
    body = {"id": name, "name": name, "size_gb": 0.001, "device_type": "x64"}
    if instance.api("GET", f"/api/v1/images/{name}").status == 404:
        instance.api("POST", "/api/v1/images", body)
    return bool(instance.api("GET", f"/api/v1/images/{name}").json.get("state") == "ready")


def listens_for_dhcp(instance: Instance) -> bool:
    listed = subprocess.run(instance.wire.inside("ss", "-lun"), capture_output=True, text=True, check=True)
    return ":67 " in listed.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_comes_back_and_the_pc_writes_on(
    first_boot: FirstBoot, clerk: Clerk, program: str, record_property: Callable[[str, object], None]
) -> None:
    instance, pc = first_boot.pc.instance, first_boot.pc
    instance.wait_until_healthy(30)
    killed, record, rows = instance.kill(program), pc.last_record(), len(clerk.acknowledged)
    began = monotonic()
    wait_until(f"{program} runs again", lambda: runs_again(instance, program, killed), BACK_WITHIN_SECONDS)
    instance.wait_until_healthy(BACK_WITHIN_SECONDS - (monotonic() - began))
    back = monotonic() - began
    wait_until("the PC writes on", lambda: pc.last_record() >= record + 5, WRITES_WITHIN_SECONDS)
    wait_until("rows are taken again", lambda: len(clerk.acknowledged) > rows, BACK_WITHIN_SECONDS)
    wait_until(
        "work is done again", lambda: makes_an_image(instance, f"after-{program}"), BACK_WITHIN_SECONDS
    )
    wait_until("DHCP is served", lambda: listens_for_dhcp(instance), BACK_WITHIN_SECONDS)
    record_property("back_after_seconds", round(back, 1))
    record_property("pc_wrote_on_after_seconds", round(monotonic() - began, 1))
    assert "FAILED" not in pc.machine.console()


def test_no_acknowledged_row_is_missing(room: Instance, clerk: Clerk) -> None:
    assert len(clerk.acknowledged) > 20
    assert acknowledged_rows_missing(room, list(clerk.acknowledged)) == []


def test_the_faults_made_no_second_boot_of_it(first_boot: FirstBoot) -> None:
    assert [boot["outcome"] for boot in first_boot.pc.boots()] == ["ok"]


def test_no_acknowledged_write_is_missing_on_its_disk(first_boot: FirstBoot, tmp_path: Path) -> None:
    first_boot.pc.machine.power_off()
    acknowledged = first_boot.pc.last_record()
    text = read_from_disk(first_boot.pc.instance, first_boot.image, "records", tmp_path)
    written = [int(line) for line in text.splitlines() if len(line) == 8]
    assert len(written) >= acknowledged >= 5 * len(PROGRAMS)
    assert written == list(range(1, len(written) + 1))
