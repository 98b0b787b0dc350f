"""Debian's packages for the guest: fetched once, kept, and a failure told in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from netboot_site.demo import packages
from netboot_site.errors import UnavailableError
from netboot_site.system import Completed


class Programs:
    """Stands in for apt and dpkg, and remembers what was asked of them."""

    def __init__(self, *, exit_code: int = 0) -> None:
        self.exit_code = exit_code
        self.asked: list[str] = []

    def run(self, argv: Sequence[str], *, timeout_seconds: float = 0) -> Completed:
        self.asked.append(" ".join(argv))
        if argv[0] == "apt-cache":
            needs = "linux-image-6.1.0-99-cloud-amd64", "libkmod2", "udev"
            text = "".join(f"  Depends: {name}\n" for name in needs)
            return Completed(tuple(argv), 0, f"{argv[-1]}\n{text}", "")
        if "apt-get" in argv:
            Path(argv[2], "some.deb").touch()
        if argv[0] == "dpkg-deb":
            Path(argv[3]).mkdir()
        return Completed(tuple(argv), self.exit_code, "", "E: no network\n")


def test_they_are_fetched_once_and_then_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = Programs()
    monkeypatch.setattr("netboot_site.packages.run", programs.run)
    first = packages.guest_packages(tmp_path)
    download = next(line for line in programs.asked if "apt-get download" in line)
    assert download.split()[-3:] == ["linux-image-6.1.0-99-cloud-amd64", "open-iscsi", "libkmod2"]
    programs.asked.clear()
    assert packages.guest_packages(tmp_path) == first
    assert programs.asked == []


def test_without_a_network_the_person_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netboot_site.packages.run", Programs(exit_code=100).run)
    with pytest.raises(UnavailableError, match=r"no network.*apt-get update"):
        packages.guest_packages(tmp_path)
    assert not (tmp_path / "packages").exists()


def test_of_two_that_fetch_at_once_the_slower_takes_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outrun(work: Path) -> None:
        for folder in (work / "unpacked", tmp_path / "packages"):
            (folder / "boot").mkdir(parents=True)

    monkeypatch.setattr(packages, "_fetch", outrun)
    assert (packages.guest_packages(tmp_path) / "boot").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["packages"]
