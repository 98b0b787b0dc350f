"""`make up` for real: what it prints, what it leaves, what it survives."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.system.instance import PROJECT, Instance, wait_for

pytestmark = pytest.mark.slow


def test_it_prints_address_and_password_and_is_healthy(orchestrator: Instance) -> None:
    assert f"http://{orchestrator.address}:8000/" in orchestrator.output
    assert re.search(r"password: \S{16}\n", orchestrator.output), orchestrator.output
    assert orchestrator.health()["status"] == "healthy"


def test_the_token_of_the_environment_opens_the_api(orchestrator: Instance) -> None:
    answer = orchestrator.api("GET", "/api/v1/storage")
    assert answer.status in (200, 404), answer.text  # 404: the route is another room's, and may come later
    refused = orchestrator.http("GET", "/metrics")
    assert refused.status == 401, refused.text
    assert orchestrator.api("GET", "/metrics").status == 200


def test_the_boot_port_carries_boot_endpoints_alone(orchestrator: Instance) -> None:
    for path in ("/", "/admin/", "/api/v1/devices", "/health", "/static/admin/css/base.css"):
        answer = orchestrator.http("GET", path, port=8080)
        assert answer.status == 404, f"{path}: {answer.status}"
        assert "html" not in answer.headers["content-type"], path
    assert orchestrator.http("GET", "/boot/boot.ipxe", port=8080).text.startswith("#!ipxe")


def test_the_doctor_finds_nothing_broken_as_a_service_and_as_root(orchestrator: Instance) -> None:
    orchestrator.wait_until_healthy()
    told = orchestrator.api("GET", "/api/v1/doctor").json
    assert [one["what"] for one in told["findings"] if one["state"] == "bad"] == []
    python = str(PROJECT / ".venv/bin/python")
    done = subprocess.run(
        orchestrator.wire.inside(python, str(PROJECT / "manage.py"), "doctor", "--json"),
        env={"PATH": "/usr/bin:/bin", "DATA_PATH": str(orchestrator.data_path)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    found = {one["key"]: one for one in json.loads(done.stdout)["findings"]}
    assert [one["what"] for one in found.values() if one["state"] == "bad"] == []
    assert found["answers"]["state"] == "good", "root hears what our own server tells machines"
    assert found["other-servers"]["what"].startswith("Nobody on the wire hands out addresses")
    assert done.returncode == 1, "a proxy alone gives no machine an address"


@pytest.mark.parametrize(
    "program",
    ["postgres", "redis", "web", "boot", "storage-http", "worker-control", "worker-storage", "worker-jobs",
     "room-watch", "beat", "recorder", "tgtd", "nginx", "dnsmasq"],
)  # fmt: skip
def test_a_killed_program_comes_back(orchestrator: Instance, program: str) -> None:
    assert program in orchestrator.programs(), f"{program} is not run at all"
    killed = orchestrator.kill(program)
    wait_for(lambda: orchestrator.pid(program) != killed and running(orchestrator.pid(program)), 30)
    orchestrator.wait_until_healthy(30)
    groups = {os.getpgid(pid) for pid in orchestrator.processes()}
    assert killed not in groups, f"{program} left processes of its former life"


def test_its_processes_stay_within_a_gibibyte(orchestrator: Instance) -> None:
    orchestrator.wait_until_healthy()
    sizes = {command: pss_kib(pid) for pid, command in orchestrator.processes().items()}
    assert sum(sizes.values()) < 1024**2, sizes


def running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def pss_kib(pid: int) -> int:
    """Its share of memory: pages that processes share are divided among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
