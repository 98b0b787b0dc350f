"""Debian's arm64 packages that Raspberry Pis are served from: fetched once into a folder, then kept."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from netboot_site.errors import UnavailableError
from netboot_site.packages import Apt, package_file
from netboot_site.sources import write_configuration

ARCHITECTURE = "arm64"
KERNEL = r"linux-image-\d.*"
KERNEL_PARTS = r"linux-(image|modules|binary)-\d.*"  # later Debians split a kernel into several packages
FIRMWARE = "raspi-firmware"
BUSYBOX = "busybox-static"
INITIATOR = "open-iscsi"
NEEDED = {"a kernel": KERNEL, FIRMWARE: FIRMWARE, BUSYBOX: BUSYBOX, INITIATOR: INITIATOR}
HOW_TO_FETCH = (
    "Run `make setup` (or `manage.py build_waiting_system --fetch`) while the machine has a network."
)


def missing_from(folder: Path) -> list[str]:
    """The packages that are needed and are not in the folder."""
    return [name for name, pattern in NEEDED.items() if package_file(folder, pattern) is None]


def fetch(folder: Path) -> None:
    """Fetch the newest packages, and put them in the place of what the folder held: all of them or none.

    Raises UnavailableError; the folder then is as it was.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as name:
        work = Path(name)
        (work / "fetched").mkdir()
        _download(work)
        if missing := missing_from(work / "fetched"):
            raise UnavailableError(f"Debian's archive holds no {', '.join(missing)} for {ARCHITECTURE}.")
        for path in (work / "fetched", *(work / "fetched").iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)  # the services' users read them
        with suppress(FileNotFoundError):
            folder.rename(work / "old")
        (work / "fetched").rename(folder)


def _update(apt: Apt) -> UnavailableError | None:
    """What is away may be a source that is not needed: then the rest goes on without it."""
    try:
        apt.update()
    except UnavailableError as error:
        return error
    return None


def _download(work: Path) -> None:
    configuration = write_configuration(work, ARCHITECTURE)
    apt = Apt("Raspberry Pis", HOW_TO_FETCH, configuration)
    away = _update(apt)
    try:
        kernel = apt.needs(f"linux-image-{ARCHITECTURE}", KERNEL_PARTS)
    except UnavailableError as error:
        raise away or error from error
    libraries = apt.needs(INITIATOR, r"lib.*")
    apt.download([*kernel, FIRMWARE, BUSYBOX, INITIATOR, *libraries], work / "fetched")
    shutil.rmtree(work / "state")
