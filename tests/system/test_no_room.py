"""A storage node that runs full under writing machines: they wait, nothing is lost, everybody is told."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system.disks import Disk
from tests.system.instance import Instance, Wire, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.real_tgtd, pytest.mark.real_qemu_storage]
MIB = 1024 * 1024
RESERVE = 128 * MIB
PAUSED_BELOW, GOES_ON_FROM = RESERVE // 2, RESERVE * 3 // 4
MACS = ["52:54:00:00:0b:01", "52:54:00:00:0b:02"]
ALONE = "52:54:00:00:0b:03"


@dataclass
class Node:
    """An instance whose images lie on a file system of 512 MiB."""

    instance: Instance
    images: Path

    def free(self) -> int:
        room = os.statvfs(self.images)
        return room.f_bavail * room.f_frsize

    def leave(self, free: int) -> None:
        """Fill it until so much is left; the file is an orphan of ours."""
        shutil.rmtree(self.images / "filler", ignore_errors=True)
        (self.images / "filler").mkdir()
        with (self.images / "filler" / "file").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.free() - free)

    def make_room(self) -> None:
        shutil.rmtree(self.images / "filler")

    def storage(self) -> dict[str, Any]:
        return dict(self.instance.api("GET", "/api/v1/storage").json[0])

    def states(self) -> set[str]:
        exports = self.instance.api("GET", "/api/v1/images/golden").json["exports"]
        return {export["state"] for export in exports}

    def refused(self, method: str, path: str, body: Any = None) -> str:
        answer = self.instance.api(method, path, body)
        assert answer.status == 409, answer.text
        return str(answer.json["detail"])


def prepare(instance: Instance) -> None:
    """A published disk with two overlays, and one disk that a third device has for itself."""
    for image_id, size in (("golden", 0.25), ("plain", 0.0625)):
        body = {"id": image_id, "name": image_id, "size_gb": size, "device_type": "x64"}
        assert instance.api("POST", "/api/v1/images", body).status == 201
    wait_for(lambda: instance.api("GET", "/api/v1/images/golden").json["state"] == "ready", 30)
    assert instance.api("POST", "/api/v1/images/golden/versions", {"comment": "first"}).status == 201
    wait_for(lambda: instance.api("GET", "/api/v1/images/golden").json["versions"][0]["state"] == "ready", 30)
    for mac in (*MACS, ALONE):
        instance.api("POST", "/api/v1/devices", {"mac": mac, "device_type": "x64", "name": f"pc-{mac[-1]}"})
        how = "plain/assign?" if mac == ALONE else "golden/assign?mode=overlay&"
        assert instance.api("PUT", f"/api/v1/images/{how}mac={mac}").status == 200


@pytest.fixture(scope="module")
def node(wire: Wire, folder: Path) -> Iterator[Node]:
    disk, images = folder / "small.ext4", folder / "data" / "images"
    with disk.open("wb") as file:
        file.truncate(512 * MIB)
    images.mkdir(parents=True)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", disk], check=True, timeout=60)
    subprocess.run(["mount", "-o", "loop", disk, images], check=True, timeout=60)
    try:
        with Instance(wire, folder / "data", {"STORAGE_RESERVE_BYTES": str(RESERVE)}) as instance:
            prepare(instance)
            made = Node(instance, images)
            wait_for(lambda: made.states() == {"ready"}, 30)
            yield made
    finally:
        subprocess.run(["umount", images], check=True, timeout=60)


def test_below_its_reserve_a_node_starts_nothing_new_and_says_so(node: Node) -> None:
    node.leave(GOES_ON_FROM + 8 * MIB)
    wait_for(lambda: bool(node.storage()["short_of_room"]), 20)
    health = node.instance.health()
    assert health["status"] == "healthy"
    assert "The storage node local is short of room" in health["warnings"][0]
    body = {"id": "more", "name": "more", "size_gb": 0.01, "device_type": "x64"}
    assert "short of room" in node.refused("POST", "/api/v1/images", body)
    assert "short of room" in node.refused("POST", "/api/v1/images/golden/versions", {"comment": ""})
    assert node.states() == {"ready"}, "what runs goes on"
    Disk.of(node.instance, MACS[0]).done("write -P 1 0 64k", "flush", "read -P 1 0 64k")
    node.make_room()
    wait_for(lambda: not node.storage()["short_of_room"], 20)


def test_machines_that_write_wait_and_go_on_with_every_byte(node: Node) -> None:
    node.leave(RESERVE)
    disks = [Disk.of(node.instance, mac) for mac in MACS]
    commands = [f"write -P {16 + at} {at * 2}M 2M" for at in range(40)]
    writers = [disk.io(*commands, "flush") for disk in disks]
    try:
        wait_for(lambda: node.states() == {"paused"}, 60)
        assert node.free() > 0
        assert [writer.poll() for writer in writers] == [None, None]
        plain = Disk.of(node.instance, ALONE)
        plain.done("write -P 7 0 64k", "flush", "read -P 7 0 64k")
        assert node.instance.health()["status"] == "healthy"
        node.make_room()
        for writer in writers:
            said, _ = writer.communicate(timeout=90)
            assert writer.returncode == 0, said
            assert "failed" not in said, said
    finally:
        for writer in writers:
            writer.kill()
            writer.wait(10)
    wait_for(lambda: node.states() == {"ready"}, 30)
    for disk in disks:
        disk.done(*[f"read -P {16 + at} {at * 2}M 2M" for at in range(40)])


def test_a_disk_that_waits_can_be_taken_away_to_make_room(node: Node) -> None:
    node.leave(PAUSED_BELOW - 8 * MIB)
    wait_for(lambda: node.states() == {"paused"}, 30)
    before = node.free()
    answer = node.instance.api("PUT", f"/api/v1/images/golden/unassign?mac={MACS[1]}")
    assert answer.status == 200, answer.text
    wait_for(lambda: node.free() > before + 70 * MIB, 30)
    wait_for(lambda: node.states() == {"ready"}, 30)
    node.make_room()


def test_an_upload_that_does_not_fit_fails_alone(node: Node) -> None:
    data = os.urandom(MIB)
    node.leave(RESERVE + 4 * MIB)
    packed = subprocess.run(["xz", "-0"], input=data * 32, capture_output=True, check=True, timeout=60)
    bearer = {"Authorization": f"Bearer {node.instance.token}"}
    body = {"id": "big", "name": "big", "size_gb": 0.001, "device_type": "x64"}
    assert node.instance.api("POST", "/api/v1/images", body).status == 201
    wait_for(lambda: node.instance.api("GET", "/api/v1/images/big").json["state"] == "ready", 30)
    answer = node.instance.http("PUT", "/api/v1/images/big/content", packed.stdout, timeout=60, **bearer)
    assert answer.status in {409, 422}, answer.text
    assert node.states() == {"ready"}, "no machine waited for it"
    assert not list((node.images / "big").glob("*.part"))
    node.make_room()
    Disk.of(node.instance, MACS[0]).done("read -P 20 8M 2M")


def test_it_stops_at_once_while_a_machine_waits(node: Node) -> None:
    node.leave(PAUSED_BELOW - 8 * MIB)
    wait_for(lambda: node.states() == {"paused"}, 30)
    writer = Disk.of(node.instance, MACS[0]).io("write -P 9 100M 1M")
    try:
        assert node.instance.stop() < 30
    finally:
        writer.kill()
        writer.wait(10)
    here = str(node.instance.data_path)
    left = {pid: text for pid, text in node.instance.processes().items() if here in text}
    assert left == {}
    node.make_room()
