"""The guest's packages are fetched once, whoever asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from netboot_site.demo import packages


def fetched(folder: Path) -> None:
    """What a download leaves."""
    (folder / "boot").mkdir(parents=True)


def test_they_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works: list[Path] = []
    monkeypatch.setattr(packages, "_fetch", lambda work: (works.append(work), fetched(work / "unpacked")))
    assert packages.guest_packages(tmp_path) == packages.guest_packages(tmp_path) == tmp_path / "packages"
    assert len(works) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["packages"]


def test_of_two_that_fetch_at_once_the_slower_takes_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outrun(work: Path) -> None:
        fetched(work / "unpacked")
        fetched(tmp_path / "packages")

    monkeypatch.setattr(packages, "_fetch", outrun)
    assert (packages.guest_packages(tmp_path) / "boot").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["packages"]
