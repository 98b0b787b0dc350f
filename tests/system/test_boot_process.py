"""The boot process as it is run, with a PostgreSQL that is killed under it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.bench.instance import Instance, private_instance

MAC = "525400123456"
CHECK_IN = f"/api/v1/boot/check-in?mac={MAC}"
SCRIPT = f"/boot/script?mac={MAC}"


class UnixConnection(HTTPConnection):
    """HTTP over a unix socket, as nginx speaks it."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with private_instance() as started:
        started.start_application("boot", "netboot_site.boot_wsgi:application", 1, 2)
        yield started


def ask(instance: Instance, path: str) -> tuple[int, str, dict[str, str]]:
    connection = UnixConnection(instance.run / "boot.sock")
    connection.request("GET", path, headers={"X-Real-IP": "10.66.0.50"})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body, dict(answer.getheaders())


def test_it_runs_with_its_own_settings_and_nothing_between(instance: Instance) -> None:
    code = (
        "import netboot_site.boot_wsgi as b; from django.conf import settings as s; print(s.SETTINGS_MODULE)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=instance.environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "netboot_site.boot_settings"
    status, _, headers = ask(instance, "/boot/boot.ipxe")
    assert status == 200
    assert {name.lower() for name in headers} <= {"content-type", "content-length", "date", "server"}


@pytest.mark.slow
def test_a_killed_database_makes_machines_wait_and_comes_back_by_itself(instance: Instance) -> None:
    assert json.loads(ask(instance, CHECK_IN)[1])["action"] == "show_menu"
    instance.kill_database()
    for path in (CHECK_IN, SCRIPT):
        status, body, _ = ask(instance, path)
        assert status == 200
        assert "database does not answer" in body
        assert str(instance.path) not in body
    instance.run_database()
    began = time.monotonic()
    while "database does not answer" in ask(instance, SCRIPT)[1]:
        assert time.monotonic() - began < 20
        time.sleep(0.5)
    assert "is not enrolled" in ask(instance, SCRIPT)[1]
