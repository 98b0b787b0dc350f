"""The arm64 packages for Raspberry Pis: all of them or none, and never twice over the network."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from netboot_site import pi_packages
from netboot_site.errors import UnavailableError
from netboot_site.packages import Apt

ALL = ("linux-image-6.1.0-99-arm64", "raspi-firmware", "busybox-static", "open-iscsi", "libkmod2")


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands in for Debian's archive: the packages that it holds; the test may take one away."""
    held = list(ALL)

    def download(apt: Apt, names: Iterable[str], folder: Path) -> None:
        for name in set(names) & set(held):
            (folder / f"{name}_1_arm64.deb").touch(mode=0o600)

    monkeypatch.setattr(Apt, "update", lambda apt: None)
    monkeypatch.setattr(Apt, "needs", lambda apt, name, pattern: [ALL[0] if "linux" in name else ALL[-1]])
    monkeypatch.setattr(Apt, "download", download)
    monkeypatch.setattr(pi_packages, "write_configuration", state_only)
    return held


def state_only(work: Path, architecture: str) -> Path:
    (work / "state").mkdir()
    return work / "apt.conf"


def test_all_of_them_are_fetched_and_everyone_may_read_them(archive: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "var/arm64"
    pi_packages.fetch(folder)
    assert {path.name.partition("_")[0] for path in folder.iterdir()} == set(ALL)
    assert folder.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    assert [path.name for path in folder.parent.iterdir()] == ["arm64"], "something was left beside it"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    assert pi_packages.missing_from(tmp_path) == list(pi_packages.NEEDED)
    for name in ALL:
        (tmp_path / f"{name}_1_arm64.deb").touch()
    assert pi_packages.missing_from(tmp_path) == []
    (tmp_path / "raspi-firmware_1_arm64.deb").unlink()
    assert pi_packages.missing_from(tmp_path) == ["raspi-firmware"]


def test_with_one_package_missing_the_old_ones_stay(archive: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "arm64"
    folder.mkdir()
    (folder / "raspi-firmware_0_arm64.deb").touch()
    archive.remove("raspi-firmware")
    with pytest.raises(UnavailableError, match="holds no raspi-firmware for arm64"):
        pi_packages.fetch(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["arm64", "raspi-firmware_0_arm64.deb"]


def test_newer_packages_take_the_place_of_the_old_ones(archive: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "arm64"
    folder.mkdir()
    (folder / "raspi-firmware_0_arm64.deb").touch()
    pi_packages.fetch(folder)
    assert not (folder / "raspi-firmware_0_arm64.deb").exists()
    assert pi_packages.missing_from(folder) == []


def test_without_a_network_the_sentence_says_how_to_try_again(
    archive: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(apt: Apt) -> None:
        raise UnavailableError(f"No network. {apt.remedy}")

    def nothing_known(apt: Apt, name: str, pattern: str) -> list[str]:
        raise UnavailableError(f"There is no package {name}.")

    monkeypatch.setattr(Apt, "update", away)
    monkeypatch.setattr(Apt, "needs", nothing_known)
    with pytest.raises(UnavailableError, match=r"No network\..*build_waiting_system --fetch"):
        pi_packages.fetch(tmp_path / "arm64")
    assert not list(tmp_path.iterdir())


def test_a_source_that_is_away_does_no_harm_if_the_packages_are_elsewhere(
    archive: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(apt: Apt) -> None:
        raise UnavailableError("One of the mirrors is away.")

    monkeypatch.setattr(Apt, "update", away)
    pi_packages.fetch(tmp_path / "arm64")
    assert pi_packages.missing_from(tmp_path / "arm64") == []
