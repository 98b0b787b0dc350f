"""Two storage nodes on one host: two tgtd, two portals, two DATA_PATHs; one API."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.system.disks import Disk
from tests.system.instance import Instance, Wire, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.real_tgtd]
MIB = 1024 * 1024
PORTS = {"local": 3260, "second": 3270}
PROGRAMS = ["beat", "nginx", "room-watch", "storage-http", "tgtd", "worker-jobs", "worker-storage"]


def second_node(first: Instance, data_path: Path, **changes: str) -> Instance:
    """A storage node that shares the first one's database, Redis and key."""
    sockets = quote(str(first.run_path / "postgres"), safe="")
    environment = {
        "STORAGE_NODE": "second",
        "DATABASE_URL": f"postgresql://netboot@{sockets}/netboot",
        "REDIS_URL": f"unix://{first.run_path}/redis/redis.sock?db=0",
        "SECRET_KEY": (first.data_path / "secret-key").read_text().strip(),
        "API_PORT": "8001",
        "ISCSI_PORT": str(PORTS["second"]),
    }
    return Instance(first.wire, data_path, {**environment, **changes}, command="storage_node")


@dataclass
class Pair:
    """Both nodes; each call goes to the first one's API."""

    first: Instance
    second: Instance

    def node(self, name: str) -> Instance:
        return {"local": self.first, "second": self.second}[name]

    def create(self, image_id: str, node: str) -> None:
        body = {"id": image_id, "name": image_id, "size_gb": 0.0625, "device_type": "x64", "node": node}
        answer = self.first.api("POST", "/api/v1/images", body)
        assert (answer.status, answer.json.get("node")) == (201, node), answer.text
        wait_for(lambda: self.image(image_id)["state"] == "ready", 20)

    def image(self, image_id: str) -> dict[str, Any]:
        return dict(self.first.api("GET", f"/api/v1/images/{image_id}").json)

    def put(self, image_id: str, data: bytes, query: str = "") -> Any:
        bearer = f"Bearer {self.first.token}"
        path = f"/api/v1/images/{image_id}/content{query}"
        return self.first.http("PUT", path, data, timeout=120, Authorization=bearer)

    def assign(self, image_id: str, mac: str) -> None:
        self.first.api("POST", "/api/v1/devices", {"mac": mac, "device_type": "x64", "name": image_id})
        answer = self.first.api("PUT", f"/api/v1/images/{image_id}/assign?mac={mac}")
        assert answer.status == 200, answer.text
        wait_for(lambda: self.exports(image_id) == ["ready"], 20)

    def exports(self, image_id: str) -> list[str]:
        return [export["state"] for export in self.image(image_id)["exports"]]

    def read(self, mac: str, node: str, size_bytes: int) -> bytes:
        """A disk's first bytes, as its device reads them from that node's portal."""
        out = self.first.data_path.parent / f"{node}.read"
        words = ["qemu-img", "dd", f"of={out}", f"bs={MIB}", f"count={size_bytes // MIB}"]
        argv = Disk.of(self.first, mac, PORTS[node]).tool(*words, placed="if=")
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return out.read_bytes()


@pytest.fixture(scope="module")
def pair(wire: Wire, folder: Path) -> Iterator[Pair]:
    with Instance(wire, folder / "first") as first, second_node(first, folder / "second") as second:
        yield Pair(first, second)


def test_the_second_node_runs_what_a_node_needs_and_no_more(pair: Pair) -> None:
    assert pair.second.programs() == PROGRAMS
    assert not (pair.second.data_path / "postgres").exists()
    found = {node["name"]: node for node in pair.first.api("GET", "/api/v1/storage").json}
    portals = {name: node["portal"] for name, node in found.items()}
    assert portals == {name: f"{pair.first.address}:{port}" for name, port in PORTS.items()}
    wait_for(lambda: pair.first.health().get("services", {}).get("storage node second") == "healthy", 20)
    assert pair.first.health()["status"] == "healthy"


def test_an_upload_through_the_first_api_is_read_at_each_disks_own_portal(pair: Pair) -> None:
    for number, node in enumerate(PORTS):
        image_id = f"disk-{node}"
        data = os.urandom(MIB) * 8
        pair.create(image_id, node)
        answer = pair.put(image_id, data, f"?sha256={hashlib.sha256(data).hexdigest()}")
        assert answer.status == 202, answer.text
        wait_for(lambda name=image_id: pair.image(name)["state"] == "ready", 20)  # type: ignore[misc]
        mac = f"52:54:00:00:0a:0{number}"
        pair.assign(image_id, mac)
        assert pair.read(mac, node, len(data)) == data, node
        told = pair.first.http("GET", f"/api/v1/boot/check-in?mac={mac}&device_type=x64").json
        assert told["portal"] == f"{pair.first.address}:{PORTS[node]}", told
        other = next(name for name in PORTS if name != node)
        assert list((pair.node(node).data_path / "images" / image_id).glob("*.raw")), node
        assert not (pair.node(other).data_path / "images" / image_id).exists(), other


def test_a_piece_of_an_upload_can_be_resumed_at_the_other_node(pair: Pair) -> None:
    pair.create("pieces", "second")
    data, path = os.urandom(2 * MIB), "/api/v1/images/pieces/content"
    bearer = {"Authorization": f"Bearer {pair.first.token}"}
    half = f"bytes 0-{MIB - 1}/{2 * MIB}"
    assert pair.first.http("PUT", path, data[:MIB], **bearer, Content_Range=half).status == 202
    assert pair.image("pieces")["received_bytes"] == MIB
    rest = f"bytes {MIB}-{2 * MIB - 1}/{2 * MIB}"
    assert pair.first.http("PUT", path, data[MIB:], **bearer, Content_Range=rest).status == 202
    wait_for(lambda: pair.image("pieces")["progress"] == 1.0, 20)


def test_versions_of_the_second_node_are_served_and_exported_through_the_first(pair: Pair) -> None:
    pair.create("golden", "second")
    data = os.urandom(MIB)
    assert pair.put("golden", data).status == 202
    wait_for(lambda: pair.image("golden")["progress"] == 1.0, 20)
    assert pair.first.api("POST", "/api/v1/images/golden/versions", {"comment": "first"}).status == 201
    wait_for(lambda: pair.image("golden")["versions"][0]["state"] == "ready", 30)
    mac = "52:54:00:00:0a:09"
    pair.first.api("POST", "/api/v1/devices", {"mac": mac, "device_type": "x64", "name": "overlay"})
    assert pair.first.api("PUT", f"/api/v1/images/golden/assign?mac={mac}&mode=overlay").status == 200
    wait_for(lambda: pair.exports("golden") == ["ready"], 30)
    Disk.of(pair.first, mac, PORTS["second"]).done("write -P 5 1M 64k", "flush", "read -P 5 1M 64k")
    assert pair.read(mac, "second", MIB) == data, "an overlay begins as its version"
    bearer = {"Authorization": f"Bearer {pair.first.token}"}
    answer = pair.first.http("GET", "/api/v1/images/golden/content?version=1", **bearer)
    assert (answer.status, len(answer.body), answer.body[:MIB] == data) == (200, 64 * MIB, True)
    part = pair.first.http("GET", "/api/v1/images/golden/content?version=1", **bearer, Range="bytes=0-99")
    assert (part.status, part.body) == (206, data[:100])


def test_a_stranger_is_refused_by_the_disks_own_node(pair: Pair) -> None:
    pair.create("closed", "second")
    for token in ({}, {"Authorization": "Bearer wrong"}):
        assert pair.first.http("PUT", "/api/v1/images/closed/content", b"x" * MIB, **token).status == 401


def test_the_second_nodes_own_port_serves_contents_alone(pair: Pair) -> None:
    for path in ("/", "/api/v1/devices", "/login/", "/admin/", "/boot/ipxe"):
        answer = pair.second.http("GET", path, port=8001, Authorization=f"Bearer {pair.first.token}")
        assert (answer.status, answer.json["detail"][:23]) == (404, "This is a storage node;"), path
    assert pair.second.http("GET", "/health", port=8001).json["services"]["worker-storage"] == "healthy"


def test_a_killed_worker_of_one_node_does_not_disturb_the_other(pair: Pair) -> None:
    killed = pair.second.kill("worker-storage", signal.SIGSTOP)  # it neither works nor is started anew
    try:
        pair.create("meanwhile", "local")
        body = {"id": "waits", "name": "waits", "size_gb": 0.0625, "device_type": "x64", "node": "second"}
        assert pair.first.api("POST", "/api/v1/images", body).status == 201
        name = "storage node second"
        wait_for(lambda: name in pair.first.health().get("status", ""), 60)
        assert pair.image("waits")["state"] == "creating"
        assert pair.image("meanwhile")["state"] == "ready"
    finally:
        os.kill(killed, signal.SIGCONT)
    pair.second.kill("worker-storage")
    wait_for(lambda: pair.image("waits")["state"] == "ready", 60)
    pair.first.wait_until_healthy(60)


def test_an_upload_to_a_node_that_is_stopped_is_told_and_goes_well_later(pair: Pair) -> None:
    pair.create("later", "second")
    pair.second.stop()
    answer = pair.put("later", b"x" * MIB)
    assert answer.status == 503
    assert answer.json["detail"].startswith("The storage node second does not answer"), answer.text
    pair.second.start()
    assert pair.put("later", b"x" * MIB).status == 202


def test_a_second_host_of_the_same_name_is_refused(pair: Pair, folder: Path) -> None:
    third = second_node(pair.first, folder / "third", API_PORT="8002", ISCSI_PORT="3280")
    try:
        third.launch()
        assert third.process is not None
        assert third.process.wait(60) == 1
        assert "A storage node named second is at work at" in third.output, third.output
    finally:
        third.__exit__()


def test_what_a_node_lacks_is_told_at_once(pair: Pair, folder: Path) -> None:
    lost = Instance(pair.first.wire, folder / "lost", {"STORAGE_NODE": "lost"}, command="storage_node")
    lost.launch()
    assert lost.process is not None
    assert lost.process.wait(60) == 1
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY"):
        assert f"{name} is not set: a storage node uses that of the first host" in lost.output, lost.output


def test_stopping_a_node_leaves_nothing_of_it_and_the_first_at_work(pair: Pair) -> None:
    assert pair.second.stop() < 30
    time.sleep(0.5)
    here = str(pair.second.data_path)
    left = {pid: text for pid, text in pair.first.processes().items() if here in text}
    assert left == {}
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if here in line]
    assert mounts == []
    pair.create("alone", "local")
