"""Long work in a running orchestrator: checksums, squash, exports through nginx; cut off and cancelled."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.instance import PROJECT, Instance, command_line, wait_for
from tests.system.test_storage import MIB, create, put, state_of

pytestmark = [pytest.mark.slow, pytest.mark.real_tgtd, pytest.mark.real_qemu_storage]
DISK = b"boot" + bytes(20 * MIB - 4) + os.urandom(8 * MIB) + bytes(36 * MIB)


def publish(orchestrator: Instance, image_id: str, comment: str = "") -> int:
    answer = orchestrator.api("POST", f"/api/v1/images/{image_id}/versions", {"comment": comment})
    assert answer.status == 201, answer.text
    return int(answer.json["number"])


def version(orchestrator: Instance, image_id: str, number: int) -> dict[str, Any]:
    rows = orchestrator.api("GET", f"/api/v1/images/{image_id}/versions").json
    return next(dict(row) for row in rows if row["number"] == number)


def jobs(orchestrator: Instance, query: str = "") -> list[dict[str, Any]]:
    return list(orchestrator.api("GET", f"/api/v1/jobs{query}").json)


def job(orchestrator: Instance, number: int) -> dict[str, Any]:
    return dict(orchestrator.api("GET", f"/api/v1/jobs/{number}").json)


def curl(orchestrator: Instance, query: str, *words: str) -> list[str]:
    """curl inside the namespace, through nginx."""
    url = f"http://{orchestrator.address}:8000/api/v1/images/disk1/content{query}"
    token = f"Authorization: Bearer {orchestrator.token}"
    return orchestrator.wire.inside("curl", "-sS", "--max-time", "60", "-H", token, *words, url)


def download(orchestrator: Instance, query: str, *words: str) -> bytes:
    return subprocess.run(curl(orchestrator, query, "-f", *words), capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def disk(orchestrator: Instance) -> Instance:
    """An orchestrator with disk1, two versions of it, their checksums known."""
    create(orchestrator, "disk1", 0.01)
    wait_for(lambda: state_of(orchestrator, "disk1") == "ready", 20)
    assert put(orchestrator, "disk1", DISK).status == 202
    wait_for(lambda: state_of(orchestrator, "disk1") == "ready", 20)
    for number in (1, 2):
        assert publish(orchestrator, "disk1") == number
    wait_for(lambda: all(version(orchestrator, "disk1", number)["sha256"] for number in (1, 2)), 40)
    return orchestrator


def test_a_published_version_gets_its_checksum_by_itself(disk: Instance) -> None:
    told = {version(disk, "disk1", number)["sha256"] for number in (1, 2)}
    assert told == {hashlib.sha256(DISK).hexdigest()}


@pytest.mark.parametrize("kind", ["raw", "qcow2", "zst"])
def test_a_version_comes_out_of_nginx_as_it_went_in(disk: Instance, folder: Path, kind: str) -> None:
    file, raw = folder / f"out.{kind}", folder / "out.raw"
    file.write_bytes(download(disk, f"?version=2&format={kind}"))
    if kind == "zst":
        subprocess.run(["zstd", "-dqf", str(file), "-o", str(raw)], check=True)
    elif kind == "qcow2":
        subprocess.run(["qemu-img", "check", "-q", str(file)], check=True)
        subprocess.run(["qemu-img", "convert", "-O", "raw", str(file), str(raw)], check=True)
    assert raw.read_bytes() == DISK


def test_a_part_and_the_head_alone_come_through_too(disk: Instance) -> None:
    at = 20 * MIB
    assert download(disk, "?version=2", "-r", f"{at}-{at + 99}") == DISK[at : at + 100]
    told = download(disk, "?version=2", "-I").decode().lower()
    assert f"content-length: {len(DISK)}" in told
    assert 'filename="disk1-v2.raw"' in told
    assert hashlib.sha256(DISK).hexdigest() in told


@pytest.mark.parametrize("end", ["it goes away", "its job is cancelled"])
def test_a_transfer_that_is_cut_leaves_nothing(disk: Instance, end: str) -> None:
    slowly = curl(disk, "?version=2", "--limit-rate", "1M")
    receiver = subprocess.Popen(slowly, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: bool(jobs(disk, "?state=running")), 20)
    (running,) = jobs(disk, "?state=running")
    assert running["kind"] == "export"
    if end == "it goes away":
        receiver.terminate()
    else:
        assert disk.api("DELETE", f"/api/v1/jobs/{running['id']}").status == 202
    assert receiver.wait(60) != 0, "it believes that it has all of the disk"
    wait_for(lambda: job(disk, running["id"])["state"] == "cancelled", 20)
    assert not list((disk.run_path / "layers").glob("j*"))


def test_a_squash_moves_the_version_to_one_file(disk: Instance) -> None:
    asked = disk.api("POST", "/api/v1/images/disk1/versions/2/squash")
    assert asked.status == 202, asked.text
    wait_for(lambda: job(disk, asked.json["id"])["state"] == "done", 30)
    assert download(disk, "?version=2") == DISK
    assert version(disk, "disk1", 2)["sha256"] == hashlib.sha256(DISK).hexdigest()


def manage(orchestrator: Instance, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words], cwd=PROJECT, env=orchestrator.settings(), capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip


def test_verify_images_as_root_finds_what_was_changed_behind_our_back(disk: Instance) -> None:
    done = manage(disk, "verify_images")
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["2 of 2 versions are intact."]), (
        done.stderr
    )
    file = next((disk.data_path / "images" / "disk1").glob("head-2.raw"))
    with file.open("r+b") as changed:  # root may, whatever its mode
        changed.seek(20 * MIB)
        changed.write(b"????")
    done = manage(disk, "verify_images", "disk1")
    assert done.returncode == 1, done.stdout
    assert "version 1 of disk1: DAMAGED" in done.stdout
    assert "version 2 of disk1: intact" in done.stdout, "it stands on its own since it was squashed"


@pytest.fixture(scope="module")
def large(disk: Instance) -> dict[str, Any]:
    """A job that takes a while: holes must be hashed, too. One disk may not promise more than is free."""
    create(disk, "large", min(100, shutil.disk_usage(disk.data_path).free * 0.7 // 1024**3))
    wait_for(lambda: state_of(disk, "large") == "ready", 20)
    publish(disk, "large")
    wait_for(lambda: bool(jobs(disk, "?image=large&state=running")), 30)
    return jobs(disk, "?image=large")[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_is_ended_leaves_its_work_to_the_next_one(
    disk: Instance, large: dict[str, Any], number: int
) -> None:
    begun = job(disk, large["id"])["started_at"]
    killed = disk.kill("worker-jobs", number)
    wait_for(lambda: not command_line(killed) and disk.pid("worker-jobs") != killed, 30)
    wait_for(lambda: job(disk, large["id"])["started_at"] != begun, 40)
    wait_for(lambda: job(disk, large["id"])["done_bytes"] > 0, 20)
    disk.wait_until_healthy(30)


def test_work_of_minutes_is_cancelled_in_a_moment(disk: Instance, large: dict[str, Any]) -> None:
    assert disk.api("DELETE", f"/api/v1/jobs/{large['id']}").status == 202
    wait_for(lambda: job(disk, large["id"])["state"] == "cancelled", 10)
