"""Disks of Raspberry Pis, and the way to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.conf import settings

from images.raspberry_pi.initiator import Initiator, find_initiator
from images.raspberry_pi.reading import BootBundle, read_boot_files
from netboot_site.pi_packages import missing_from

Read = Callable[[Path], BootBundle]


@pytest.fixture(scope="session")
def initiator() -> Iterator[Initiator]:
    """Debian's arm64 programs, unpacked once."""
    missing = missing_from(settings.PI_PACKAGES_PATH)
    assert not missing, f"`make setup` has not fetched {missing}"
    with TemporaryDirectory() as work:
        found = find_initiator(Path(work))
        assert found is not None
        yield found


@pytest.fixture
def read(tmp_path: Path, initiator: Initiator) -> Read:
    """Reads a disk that has boot files."""

    def read_disk(disk: Path) -> BootBundle:
        work = tmp_path / "work"
        work.mkdir()
        found = read_boot_files(disk, work, initiator, lambda done, total: None)
        assert found is not None, "no boot partition was found"
        return found

    return read_disk
