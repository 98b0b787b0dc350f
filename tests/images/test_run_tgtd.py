"""manage.py run_tgtd: becomes tgtd, reachable by nobody."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.tgt import TgtServer, private_portal
from netboot_site import system
from netboot_site.errors import UnavailableError
from tests.images.tgtd import Namespace, wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="nb-run-") as folder:
        yield Path(folder)


@pytest.mark.real_tgtd
def test_it_becomes_tgtd_on_a_loopback_portal_with_a_private_socket(
    namespace: Namespace, data_path: Path
) -> None:
    process = subprocess.Popen(
        namespace.inside(sys.executable, "manage.py", "run_tgtd"),
        cwd=ROOT, env={**os.environ, "DATA_PATH": str(data_path)}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        socket_path = data_path / "run" / "tgt" / "control"
        server = TgtServer(socket_path)

        def answers() -> bool:
            try:
                return bool(server.observe().portals)
            except UnavailableError:
                return False

        wait_until(answers, 20, "tgtd answers")
        (portal,) = server.observe().portals
        assert portal.startswith("127.")
        assert socket_path.parent.stat().st_mode & 0o777 == 0o700
        assert Path(f"/proc/{process.pid}/comm").read_text().strip() == "tgtd"
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.real_tgtd
def test_it_starts_again_where_a_killed_one_left_its_socket(namespace: Namespace, data_path: Path) -> None:
    server = TgtServer(data_path / "run" / "tgt" / "control")
    starts = []
    for _ in range(2):
        process = subprocess.Popen(
            namespace.inside(sys.executable, "manage.py", "run_tgtd"),
            cwd=ROOT, env={**os.environ, "DATA_PATH": str(data_path)}, stderr=subprocess.DEVNULL,
        )  # fmt: skip

        def answers() -> bool:
            try:
                return server.observe().started not in starts
            except UnavailableError:
                return False

        try:
            wait_until(answers, 20, "tgtd answers")
            starts.append(server.observe().started)
        finally:
            process.kill()
            process.wait(10)
    assert len(set(starts)) == 2


def test_each_installation_has_its_own_loopback_portal(settings: object) -> None:
    first = private_portal()
    settings.DATA_PATH = Path("/elsewhere")  # type: ignore[attr-defined]
    second = private_portal()
    assert first != second
    for portal in (first, second):
        address, _, port = portal.partition(":")
        octets = [int(part) for part in address.split(".")]
        assert octets[0] == 127
        assert all(0 <= octet <= 255 for octet in octets)
        assert octets[3] != 0
        assert int(port) > 1024


def test_a_program_that_is_not_installed_is_named() -> None:
    with pytest.raises(UnavailableError, match="no-such-program is not installed"):
        system.replace(["no-such-program"])
