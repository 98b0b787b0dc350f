"""How the waiting system of this host stands, for pages, the API and /health."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from bootflow.raspberry_pi.waiting.boards import served_families
from bootflow.raspberry_pi.waiting.build import (
    ensure_waiting_system,
    missing_packages,
    prepared_folder,
    waiting_key,
)
from bootflow.raspberry_pi.waiting.builder import Builder
from netboot_site import pi_packages

FOLDER = ".waiting"  # below the TFTP root


@dataclass(frozen=True, slots=True)
class WaitingSystem:
    """Where it lies, which models it serves (`Raspberry Pi 4`), and why it is not there or not for all."""

    folder: Path | None
    models: tuple[str, ...]
    trouble: str = ""


def waiting_url() -> str:
    """Where it asks: the address is part of the system, since a Pi's firmware tells a kernel nothing."""
    return f"http://{settings.BOOT_ADDRESS}:{settings.BOOT_HTTP_PORT}/boot/"


def waiting_folder() -> Path:
    """Where this host's waiting system is to be: beside older ones, below the TFTP root."""
    return Path(settings.TFTP_PATH) / FOLDER / waiting_key(settings.PI_PACKAGES_PATH, waiting_url())


def build_waiting_system() -> Path:
    """This host's waiting system, made if it is not there. Raises UnavailableError."""
    return ensure_waiting_system(waiting_folder().parent, settings.PI_PACKAGES_PATH, waiting_url())


def make_waiting_system() -> Path:
    """For convergence: the folder, or UnavailableError while it is not there; it is then being built."""
    if prepared_folder(settings.PI_PACKAGES_PATH).is_dir() and not waiting_folder().is_dir():
        return build_waiting_system()  # no more than copying files
    return _local_builder().round()


@functools.cache
def _local_builder() -> Builder:
    manage = str(settings.BASE_PATH / "manage.py")
    return Builder(waiting_folder, ["nice", "-n", "10", sys.executable, manage, "build_waiting_system"])


def look_at_waiting_system() -> WaitingSystem:
    """As it is now; nothing is made."""
    folder = waiting_folder()
    if folder.is_dir():
        names = [path.name for path in folder.iterdir()]
        config = (folder / "config.txt").read_text()
        return WaitingSystem(folder, tuple(map(str, served_families(names, config))))
    missing = pi_packages.missing_from(settings.PI_PACKAGES_PATH)
    return WaitingSystem(None, (), missing_packages(missing) if missing else "It is being built.")


def waiting_models() -> tuple[str, ...]:
    """The models that it serves; a Pi of another model keeps retrying to boot until it is approved."""
    return look_at_waiting_system().models


def waiting_warning() -> str:
    """What is missing for Raspberry Pis on this host; empty: nothing."""
    missing = pi_packages.missing_from(settings.PI_PACKAGES_PATH)
    return missing_packages(missing) if missing else ""
