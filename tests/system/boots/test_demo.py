"""`make demo` against a running orchestrator: what it tells, how long it takes, and that nothing is left."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from time import monotonic

import pytest

from tests.system.boots.pc import wait_until
from tests.system.instance import PROJECT, Instance, run

pytestmark = [pytest.mark.qemu, pytest.mark.real_tgtd, pytest.mark.real_dnsmasq, pytest.mark.slow]


def start_demo(instance: Instance, output: Path) -> subprocess.Popen[bytes]:
    words = [str(PROJECT / ".venv/bin/python"), str(PROJECT / "manage.py"), "demo"]
    with output.open("wb") as file:
        return subprocess.Popen(
            instance.wire.inside(*words), stdout=file, stderr=file, env=instance.settings()
        )


def assert_nothing_is_left(instance: Instance) -> None:
    assert "nbdemo" not in run("ip", "netns", "list")
    assert "nbdemo" not in run("ip", "-n", instance.wire.namespace, "-brief", "link")
    for path in ("devices", "unknown-devices", "images"):
        text = instance.api("GET", f"/api/v1/{path}").text
        assert "nbdemo" not in text, text
        assert "52:54:00:de:30:01" not in text, text
    assert not [name for name in instance.processes().values() if "nbdemo" in name]


def test_it_tells_each_stage_until_the_root_is_on_iscsi(room: Instance, tmp_path: Path) -> None:
    began, output = monotonic(), tmp_path / "demo.out"
    assert start_demo(room, output).wait(240) == 0, output.read_text()
    assert monotonic() - began < 180
    told = output.read_text()
    for stage in ("dhcp", "script", "iscsi", "os"):
        assert f" s  {stage}" in told, told
    assert "The PC says: root is on iSCSI" in told
    assert "Outcome: ok." in told
    assert_nothing_is_left(room)


def test_stopped_by_ctrl_c_it_removes_what_it_made(room: Instance, tmp_path: Path) -> None:
    output = tmp_path / "stopped.out"
    process = start_demo(room, output)
    wait_until("the PC is on", lambda: "Power on" in output.read_text(), 60)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 1, output.read_text()
    assert "everything that the demonstration made is removed" in output.read_text()
    assert_nothing_is_left(room)
