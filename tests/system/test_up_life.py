"""An instance's life: it stops, starts again, is refused a port, is killed, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netboot_site.runtime.access import open_ancestors
from netboot_site.runtime.layout import find_accounts
from tests.system.instance import PROJECT, Instance, Wire, wait_for

pytestmark = pytest.mark.slow
STOP_SECONDS = 15


@pytest.fixture
def instance(wire: Wire, folder: Path) -> Iterator[Instance]:
    """An instance that is not running yet; its data stays from test to test."""
    made = Instance(wire, folder / "data", token="a token that stays the same from test to test")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()
    assert made.processes() == {}, "the test left processes"


def make_down(instance: Instance) -> str:
    argv = instance.wire.inside(str(PROJECT / ".venv/bin/python"), str(PROJECT / "manage.py"), "down")
    done = subprocess.run(argv, env=instance.settings(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_ctrl_c_stops_everything_within_its_time(instance: Instance) -> None:
    instance.start()
    assert re.search(r"password: \S{16}\n", instance.output), instance.output
    seconds = instance.stop()
    assert seconds < STOP_SECONDS, f"took {seconds:.1f} s"
    assert instance.processes() == {}
    assert instance.process is not None
    assert instance.process.returncode == 0, instance.output


def test_secrets_are_their_owners_alone(instance: Instance) -> None:
    for name in ("admin-password", "secret-key"):
        assert stat.S_IMODE((instance.data_path / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE((instance.data_path / "images").stat().st_mode) == 0o700
    assert stat.S_IMODE((instance.data_path / "postgres").stat().st_mode) == 0o700


def test_a_second_start_keeps_the_data_and_the_password(instance: Instance) -> None:
    kept = (instance.data_path / "admin-password").read_text()
    instance.start()
    register(instance, "52:54:00:00:00:01")
    instance.stop(signal.SIGTERM)
    instance.start()
    assert instance.api("GET", "/api/v1/devices/52:54:00:00:00:01").json["name"] == "kept"
    assert (instance.data_path / "admin-password").read_text() == kept
    assert kept.strip() not in instance.output, "the password is shown once"
    assert make_down(instance) == "stopped."
    assert make_down(instance).startswith("Nothing runs on ")


def test_an_instance_that_was_killed_whole_carries_on(instance: Instance) -> None:
    instance.start()
    register(instance, "52:54:00:00:00:02")
    launcher = instance.process
    assert launcher is not None
    for pid in [launcher.pid, *instance.processes()]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    launcher.wait()
    instance.start()
    assert instance.api("GET", "/api/v1/devices/52:54:00:00:00:02").json["name"] == "kept"


def test_a_launcher_that_was_killed_takes_everything_with_it(instance: Instance) -> None:
    instance.start()
    assert instance.process is not None
    os.kill(instance.process.pid, signal.SIGKILL)
    instance.process.wait()
    wait_for(lambda: instance.processes() == {}, 30)


def test_a_killed_supervisor_is_replaced(instance: Instance) -> None:
    instance.start()
    killed = instance.supervisor_pid()
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: "starting everything again" in instance.output, 10)
    wait_for(lambda: instance.health().get("status") == "healthy", 60)
    assert instance.supervisor_pid() != killed


def test_a_second_instance_on_the_same_data_is_refused(instance: Instance) -> None:
    instance.start()
    other = Instance(instance.wire, instance.data_path, {"API_PORT": "8001", "DASHBOARD_PORT": "8001"})
    output = refused(other)
    assert "Another instance runs on" in output
    assert f"process {instance.process.pid if instance.process else 0}" in output
    assert instance.health()["status"] == "healthy"


def test_a_taken_port_is_told_with_its_holder_and_nothing_stays(instance: Instance) -> None:
    with instance.wire.entered():
        holder = socket.create_server((instance.address, 8080))
    with holder:
        output = refused(instance)
    assert re.search(
        r"TCP port 8080 \(boot files, BOOT_HTTP_PORT\) is taken by python\S* \(pid \d+\)", output
    ), output


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"BOOT_INTERFACE": "eth9"}, "there is no interface eth9 here; there are: lo, nbbr0"),
        ({"BOOT_ADDRESS": "10.9.9.9"}, "nbbr0 does not have the address 10.9.9.9; it has: 10.66.0.1"),
        ({"DHCP_MODE": "maybe"}, "DHCP_MODE is 'maybe': it must be proxy, server or off."),
        ({"DHCP_MODE": "server"}, "DHCP_MODE=server needs DHCP_RANGE=first,last"),
        ({"IQN_PREFIX": "disk,1"}, "IQN_PREFIX is 'disk,1'"),
        ({"DATA_PATH": "/etc/passwd/data"}, "DATA_PATH (/etc/passwd/data) cannot be made: not a directory."),
    ],
)
def test_a_start_that_cannot_succeed_says_why(
    instance: Instance, variables: dict[str, str], words: str
) -> None:
    instance.environment = variables
    output = refused(instance)
    assert words in output
    assert "Traceback" not in output


def test_without_root_everything_but_dnsmasq_is_started(instance: Instance, folder: Path) -> None:
    for path in (PROJECT, folder):
        open_ancestors(path, find_accounts())
    data = folder / "person"
    data.mkdir()
    shutil.chown(data, "netboot", "netboot")
    instance.data_path = data
    instance.as_user = ("setpriv", "--reuid=netboot", "--regid=netboot", "--init-groups")
    instance.start()
    assert "DHCP and TFTP (dnsmasq) are left out" in instance.output
    assert "dnsmasq" not in instance.programs()
    assert "dnsmasq" not in instance.health()["services"]
    owners = {Path(f"/proc/{pid}").owner() for pid in instance.processes()}
    assert owners == {"netboot"}, owners


def register(instance: Instance, mac: str) -> None:
    answer = instance.api("POST", "/api/v1/devices", {"mac": mac, "device_type": "x64", "name": "kept"})
    assert answer.status == 201, answer.text


def refused(instance: Instance) -> str:
    """What it prints when it ends by itself, in failure."""
    process = instance.launch()
    assert process.wait(60) == 1, instance.output
    instance.process = None
    return instance.output
