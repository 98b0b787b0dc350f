"""Disks in a running orchestrator: through nginx, the storage node's own process, its worker and tgtd."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.system.disks import tgtadm
from tests.system.instance import Instance, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.real_tgtd]
MIB = 1024 * 1024
IQN = "iqn.2026-02.local.netboot"


def create(orchestrator: Instance, image_id: str, size_gb: float = 1) -> dict[str, Any]:
    body = {"id": image_id, "name": image_id, "size_gb": size_gb, "device_type": "x64"}
    answer = orchestrator.api("POST", "/api/v1/images", body)
    assert answer.status == 201, answer.text
    return dict(answer.json)


def state_of(orchestrator: Instance, image_id: str) -> str:
    return str(orchestrator.api("GET", f"/api/v1/images/{image_id}").json["state"])


def targets(orchestrator: Instance) -> str:
    """What an initiator on the wire is shown: the targets that would let it in."""
    tool = orchestrator.wire.inside("iscsi-ls", f"iscsi://{orchestrator.address}:3260")
    return subprocess.run(tool, capture_output=True, text=True, timeout=20, check=False).stdout


def tgtd_list(orchestrator: Instance) -> str:
    """What tgtd has."""
    return tgtadm(orchestrator, "--op", "show", "--mode", "target")


def put(orchestrator: Instance, image_id: str, data: bytes, query: str = "") -> Any:
    return orchestrator.http(
        "PUT", f"/api/v1/images/{image_id}/content{query}", data, timeout=120,
        Authorization=f"Bearer {orchestrator.token}",
    )  # fmt: skip


def test_file_and_target_are_there_within_two_seconds(orchestrator: Instance) -> None:
    create(orchestrator, "first")
    wait_for(lambda: state_of(orchestrator, "first") == "ready", 20)  # a cold worker may take its time
    began = time.monotonic()
    create(orchestrator, "disk1", 2)
    wait_for(lambda: f"{IQN}:disk1\n" in tgtd_list(orchestrator), 10)
    wait_for(lambda: state_of(orchestrator, "disk1") == "ready", 10)
    took = time.monotonic() - began
    assert took < 2, f"{took:.1f} s"
    head = orchestrator.data_path / "images/disk1/head-1.raw"
    status = head.stat()
    assert (status.st_size, status.st_mode & 0o777) == (2 * 1024 * MIB, 0o600)
    assert status.st_blocks == 0


def test_a_disk_goes_in_through_nginx_and_is_what_was_sent(orchestrator: Instance) -> None:
    create(orchestrator, "content")
    data = os.urandom(8 * MIB) * 8
    answer = put(orchestrator, "content", data, f"?sha256={hashlib.sha256(data).hexdigest()}")
    assert answer.status == 202, answer.text
    assert answer.json["progress"] == 1.0
    head = orchestrator.data_path / "images/content/head-2.raw"
    assert head.read_bytes()[: len(data)] == data
    old = orchestrator.data_path / "images/content/head-1.raw"
    wait_for(lambda: "content/head-2.raw" in tgtd_list(orchestrator), 5)
    wait_for(lambda: not old.exists(), 20)


def test_a_form_upload_or_a_compressed_file_is_refused_in_words(orchestrator: Instance) -> None:
    create(orchestrator, "formats")
    answer = put(orchestrator, "formats", b"\xfd7zXZ\x00" + bytes(MIB))
    assert answer.status == 422
    assert "xz" in answer.json["detail"]
    assert put(orchestrator, "formats", b"").status == 422
    assert str(orchestrator.data_path) not in answer.text


def test_a_large_upload_that_is_refused_hears_why(orchestrator: Instance) -> None:
    """The body is still on its way when the answer is known; a proxy easily makes a 502 of that."""
    body = bytes(64 * MIB)
    for _ in range(3):
        answer = put(orchestrator, "nope", body)
        assert (answer.status, answer.json["detail"]) == (404, "There is no image 'nope'.")
        stranger = orchestrator.http("PUT", "/api/v1/images/nope/content", body, timeout=60)
        assert stranger.status in {401, 403}, stranger.text


def test_an_unassigned_disk_is_shown_to_nobody(orchestrator: Instance) -> None:
    create(orchestrator, "hidden")
    wait_for(lambda: state_of(orchestrator, "hidden") == "ready", 10)
    assert "hidden" in tgtd_list(orchestrator)
    assert "hidden" not in targets(orchestrator)


def test_all_disks_are_back_within_ten_seconds_of_a_killed_tgtd(orchestrator: Instance) -> None:
    for number in range(5):
        create(orchestrator, f"many{number}")
    wait_for(lambda: tgtd_list(orchestrator).count(f"{IQN}:many") == 5, 10)
    killed = orchestrator.kill("tgtd")
    began = time.monotonic()
    wait_for(lambda: orchestrator.pid("tgtd") != killed and all_back(orchestrator), 15)
    assert time.monotonic() - began < 10


def all_back(orchestrator: Instance) -> bool:
    try:
        return tgtd_list(orchestrator).count(f"{IQN}:many") == 5
    except subprocess.CalledProcessError:
        return False


def test_a_deleted_disk_leaves_no_file(orchestrator: Instance) -> None:
    create(orchestrator, "gone")
    folder = Path(orchestrator.data_path / "images/gone")
    wait_for(folder.exists, 10)
    assert orchestrator.api("DELETE", "/api/v1/images/gone").status == 202
    wait_for(lambda: orchestrator.api("GET", "/api/v1/images/gone").status == 404, 10)
    assert not folder.exists()
    assert f"{IQN}:gone" not in tgtd_list(orchestrator)
