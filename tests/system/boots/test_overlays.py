"""One golden disk for two PCs: imported, published, booted as overlays; clean again, kept, and merged.

The system on the disk numbers what it writes: after a boot it carries on where its disk stands.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from netboot_site.demo.disk import DISK_BYTES, build_disk
from netboot_site.demo.packages import CACHE_PATH
from tests.system.boots.conftest import WRITER
from tests.system.boots.pc import BOOT_WITHIN_SECONDS, Pc, disk_file, wait_until
from tests.system.instance import Answer, Instance

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.real_tgtd,
    pytest.mark.real_qemu_storage,
    pytest.mark.real_dnsmasq,
    pytest.mark.slow,
]
IMAGE = "golden"
RECORDS = 4
LOGGED_OUT_WITHIN_SECONDS = 60  # tgtd finds out by its own pings that a machine's plug was pulled


@dataclass
class Lab:
    """The room, its two PCs, and what is known of them from boot to boot."""

    room: Instance
    clean: Pc
    kept: Pc
    sha256: str
    kept_records: int = 0

    def api(self, method: str, path: str, body: Any = None) -> Answer:
        answer = self.room.api(method, path, body)
        assert answer.status < 300, answer.text
        return answer

    def version(self, number: int) -> dict[str, Any]:
        rows = self.api("GET", f"/api/v1/images/{IMAGE}").json["versions"]
        return next((row for row in rows if row["number"] == number), {})

    def assign(self, pc: Pc, persistence: str) -> None:
        words = f"mac={pc.mac}&mode=overlay&persistence={persistence}"
        self.api("PUT", f"/api/v1/images/{IMAGE}/assign?{words}")


@pytest.fixture(scope="module")
def golden(work: Path) -> Path:
    """A disk of a PC, as a person has it: `.img.xz`."""
    disk = work / "golden.img"
    build_disk(disk, CACHE_PATH, WRITER)
    subprocess.run(["xz", "-1", "--keep", disk], check=True, timeout=120)
    return disk


@pytest.fixture(scope="module")
def lab(room: Instance, work: Path, golden: Path) -> Iterator[Lab]:
    clean, kept = Pc.plug(room, work, 21), Pc.plug(room, work, 22)
    yield Lab(room, clean, kept, hashlib.sha256(golden.read_bytes()).hexdigest())
    for pc in (clean, kept):
        pc.machine.power_off()


def records(pc: Pc) -> list[int]:
    """The numbers that it has written since it was switched on, in order."""
    found = re.findall(r"^netboot-demo: record (\d+)$", pc.machine.console(), re.MULTILINE)
    return [int(number) for number in found]


def boot(*pcs: Pc) -> None:
    """Switch them on, all at once, and wait until each has written."""
    for pc in pcs:
        pc.machine.power_on()
    for pc in pcs:
        pc.wait_for("netboot-demo: record", BOOT_WITHIN_SECONDS * len(pcs) + LOGGED_OUT_WITHIN_SECONDS)
        first = records(pc)[0]
        pc.wait_for(f"netboot-demo: record {first + RECORDS}\n", 60)


def test_an_xz_is_unpacked_and_published_with_its_checksum(lab: Lab, golden: Path) -> None:
    size_gb = DISK_BYTES / 1024**3
    lab.api(
        "POST", "/api/v1/images", {"id": IMAGE, "name": "Golden", "size_gb": size_gb, "device_type": "x64"}
    )
    packed = golden.with_name("golden.img.xz").read_bytes()
    token = f"Bearer {lab.room.token}"
    path = f"/api/v1/images/{IMAGE}/content"
    sent = lab.room.http("PUT", path, packed, timeout=120, Authorization=token)
    assert sent.status == 202, sent.text
    image = lambda: lab.api("GET", f"/api/v1/images/{IMAGE}").json  # noqa: E731
    wait_until(f"the image is ready: {image()}", lambda: image()["state"] == "ready", 60)
    lab.api("POST", f"/api/v1/images/{IMAGE}/versions", {"comment": "as it came"})
    wait_until("version 1 is frozen", lambda: lab.version(1)["state"] == "ready", 60)
    wait_until("its checksum is known", lambda: lab.version(1)["sha256"], 60)
    assert lab.version(1)["sha256"] == lab.sha256


def test_two_pcs_boot_from_one_version_at_once_and_write(lab: Lab) -> None:
    for pc in (lab.clean, lab.kept):
        pc.register()
        lab.assign(pc, "reset")
    boot(lab.clean, lab.kept)
    assert [records(pc)[0] for pc in (lab.clean, lab.kept)] == [1, 1]
    assert lab.version(1)["sha256"] == lab.sha256


def test_after_their_next_boot_one_is_clean_and_the_other_has_kept_all(lab: Lab) -> None:
    lab.assign(lab.kept, "keep")
    lab.kept_records = lab.kept.last_record()
    for pc in (lab.clean, lab.kept):
        pc.leave()
    boot(lab.clean, lab.kept)
    assert records(lab.clean)[0] == 1, "its writes are gone"
    assert records(lab.kept)[0] > lab.kept_records, "all that was acknowledged is there"


def test_the_changes_of_one_become_the_next_version_and_the_other_boots_it(lab: Lab) -> None:
    lab.kept_records = lab.kept.last_record()
    for pc in (lab.clean, lab.kept):
        pc.leave()
    path = f"/api/v1/devices/{lab.kept.mac}/disk/merge"
    merge = lambda: lab.room.api("POST", path, {"comment": "as the second PC left it"})  # noqa: E731
    wait_until("its disk is free to be merged", lambda: merge().status == 200, LOGGED_OUT_WITHIN_SECONDS)
    wait_until("version 2 is frozen", lambda: lab.version(2).get("state") == "ready", 60)
    boot(lab.clean)
    assert records(lab.clean)[0] > lab.kept_records, "it carries on where the other one was"
    disk = lab.api("GET", f"/api/v1/devices/{lab.clean.mac}/disk").json
    assert (disk["version"], disk["persistence"]) == (2, "reset")


def test_the_first_version_is_what_it_was(lab: Lab) -> None:
    frozen = disk_file(lab.room, IMAGE)
    assert hashlib.sha256(frozen.read_bytes()).hexdigest() == lab.sha256 == lab.version(1)["sha256"]
    assert not frozen.stat().st_mode & 0o222, "nobody may write it"
    wait_until("version 2 has a checksum", lambda: lab.version(2)["sha256"], 60)
    assert lab.version(2)["sha256"] != lab.sha256
