"""What takes long is made once for every instance: each then only copies, and adds its own address."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bootflow.raspberry_pi.waiting import build
from bootflow.raspberry_pi.waiting.build import ensure_waiting_system, prepared_folder
from bootflow.raspberry_pi.waiting.prepare import STAMP, make_ready
from netboot_site import pi_packages
from netboot_site.errors import UnavailableError
from tests.bootflow.raspberry_pi.debian import write_package, write_packages

URL = "http://10.66.0.1:8080/boot/"
PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    return write_packages(tmp_path / "arm64")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_prepared_or_not_the_system_is_the_same(packages: Path, tmp_path: Path) -> None:
    slowly = contents(ensure_waiting_system(tmp_path / "one", packages, URL))
    assert make_ready(packages) == ""
    assert contents(ensure_waiting_system(tmp_path / "two", packages, URL)) == slowly


def test_prepared_it_is_only_copied(packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_ready(packages)
    monkeypatch.setattr(build, "read_kernel", lambda *_: pytest.fail("the kernel was unpacked again"))
    for number in range(2):
        made = ensure_waiting_system(tmp_path / ".waiting", packages, URL.replace("66", f"{number}"))
        assert f"http://10.{number}.0.1:8080/" in (made / "cmdline.txt").read_text()


def test_another_user_may_read_it(packages: Path) -> None:
    make_ready(packages)
    place = prepared_folder(packages)
    assert place.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o644}


def test_it_is_fetched_and_made_once(packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "fetched"
    monkeypatch.setattr(pi_packages, "fetch", write_packages)
    assert make_ready(folder) == ""
    assert (folder / STAMP).exists()
    monkeypatch.setattr(pi_packages, "fetch", lambda _: pytest.fail("the network was used again"))
    monkeypatch.setattr(build, "read_kernel", lambda *_: pytest.fail("it was made again"))
    assert make_ready(folder) == ""


def test_newer_packages_take_the_place_of_what_was_made_from_old_ones(packages: Path) -> None:
    make_ready(packages)
    old = prepared_folder(packages)
    write_package(packages, "libkmod2", {"lib/x": b""})
    make_ready(packages)
    assert [path for path in packages.iterdir() if path.is_dir() and path.name[0] != "."] == [
        prepared_folder(packages)
    ]
    assert old != prepared_folder(packages)


def test_without_a_network_why_is_told_and_no_stamp_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(folder: Path) -> None:
        raise UnavailableError("No network. Run `make setup` again.")

    monkeypatch.setattr(pi_packages, "fetch", away)
    assert make_ready(tmp_path) == "No network. Run `make setup` again."
    assert not (tmp_path / STAMP).exists()


def test_it_runs_as_a_program_without_settings(packages: Path) -> None:
    argv = [sys.executable, "-m", "bootflow.raspberry_pi.waiting.prepare", str(packages)]
    done = subprocess.run(argv, cwd=PROJECT, env={}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert prepared_folder(packages).is_dir()
