"""What pages, /health and the command tell of the waiting system: models, or the trouble and its remedy."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bootflow.management.commands import build_waiting_system as build_command
from bootflow.raspberry_pi.waiting import outlook
from bootflow.raspberry_pi.waiting.build import prepare, prepared_folder
from bootflow.raspberry_pi.waiting.builder import Builder
from bootflow.raspberry_pi.waiting.outlook import (
    build_waiting_system,
    look_at_waiting_system,
    make_waiting_system,
    waiting_models,
    waiting_warning,
)
from netboot_site import pi_packages
from netboot_site.errors import UnavailableError
from tests.bootflow.raspberry_pi.debian import kernel_files, write_packages

ALL_BUT_5 = (
    "Raspberry Pi 2", "Raspberry Pi 3", "Raspberry Pi 3+", "Raspberry Pi Zero 2 W", "Raspberry Pi 4",
    "Raspberry Pi 400", "Compute Module 4",
)  # fmt: skip


@pytest.fixture
def host(tmp_path: Path, settings: Any) -> Path:
    """A host of its own, without packages."""
    settings.TFTP_PATH = tmp_path / "tftp"
    settings.PI_PACKAGES_PATH = tmp_path / "arm64"
    settings.BOOT_ADDRESS, settings.BOOT_HTTP_PORT = "10.66.0.1", 8080
    return tmp_path


def test_without_packages_the_trouble_names_them_and_the_remedy(host: Path) -> None:
    found = look_at_waiting_system()
    assert (found.folder, found.models) == (None, ())
    assert "raspi-firmware, busybox-static, open-iscsi" in found.trouble
    assert "make setup" in found.trouble
    assert waiting_warning() == found.trouble
    assert str(host) not in found.trouble


def test_with_packages_it_is_on_its_way_and_then_serves_models(host: Path) -> None:
    write_packages(host / "arm64")
    assert look_at_waiting_system().trouble == "It is being built."
    assert waiting_warning() == ""
    folder = build_waiting_system()
    assert folder.parent == host / "tftp/.waiting"
    found = look_at_waiting_system()
    assert (found.folder, found.trouble) == (folder, "")
    assert found.models == waiting_models() == ALL_BUT_5


def test_a_round_of_convergence_copies_what_was_prepared(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(write_packages(host / "arm64"))
    monkeypatch.setattr(outlook, "_local_builder", lambda: pytest.fail("a process was started"))
    assert make_waiting_system() == look_at_waiting_system().folder


def test_a_round_of_convergence_leaves_the_rest_to_a_process_of_its_own(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_packages(host / "arm64")
    monkeypatch.setattr(outlook, "_local_builder", lambda: Builder(outlook.waiting_folder, ["/bin/true"]))
    with pytest.raises(UnavailableError, match=r"^$"):
        make_waiting_system()
    assert look_at_waiting_system().folder is None


def test_it_asks_at_the_address_of_this_host(host: Path) -> None:
    write_packages(host / "arm64")
    assert "netboot.url=http://10.66.0.1:8080/boot/" in (build_waiting_system() / "cmdline.txt").read_text()


def test_a_model_whose_device_tree_the_kernel_lacks_is_not_served(host: Path) -> None:
    write_packages(host / "arm64", kernel_files(**{"bcm2711-rpi-400": None}))
    build_waiting_system()
    assert set(ALL_BUT_5) - set(waiting_models()) == {"Raspberry Pi 400"}


def listed(*words: str) -> list[str]:
    """The models that the command names."""
    out = StringIO()
    call_command("build_waiting_system", *words, stdout=out)
    return [line.strip() for line in out.getvalue().splitlines()[1:]]


def test_the_command_puts_it_where_pis_find_it_and_lists_the_models(host: Path) -> None:
    write_packages(host / "arm64")
    (host / "tftp").mkdir()
    assert listed() == list(ALL_BUT_5)
    assert look_at_waiting_system().folder is not None


def test_before_the_first_start_the_command_makes_no_folder_of_the_orchestrators(host: Path) -> None:
    write_packages(host / "arm64")
    assert listed() == list(ALL_BUT_5)
    assert prepared_folder(host / "arm64").is_dir()
    assert not (host / "tftp").exists(), "the services' user could not write there"


def test_the_command_works_where_the_packages_cannot_be_written(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(packages: Path) -> None:
        raise PermissionError(13, "Permission denied")

    write_packages(host / "arm64")
    (host / "tftp").mkdir()
    monkeypatch.setattr(build_command, "prepare", refuse)
    assert listed() == list(ALL_BUT_5)


def test_the_command_fetches_only_when_asked(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pi_packages, "fetch", write_packages)
    with pytest.raises(CommandError, match=r"are missing \(a kernel, raspi-firmware"):
        listed()
    assert listed("--fetch") == list(ALL_BUT_5)
