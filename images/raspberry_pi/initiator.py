"""The programs that an initramfs without iSCSI is given: Debian's arm64 initiator with its own libraries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from netboot_site.elf import is_elf, with_libraries
from netboot_site.errors import UnavailableError
from netboot_site.packages import package_file
from netboot_site.system import run

LOADER = "ld-linux-aarch64.so.1"  # the dynamic linker of arm64 (its ELF ABI supplement)
_BUSYBOX, _OPEN_ISCSI = "busybox-static", "open-iscsi"
_PROGRAMS = ("busybox", "iscsistart", "iscsid")
_UNPACK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Initiator:
    """The unpacked arm64 binaries, by the names that they have in the segment's folder `netboot`."""

    files: Mapping[str, Path]


def find_initiator(work: Path, packages_path: Path | None = None) -> Initiator | None:
    """Unpack what is needed into the folder `work`; it must stay as long as the answer is used.

    The packages are those in settings.PI_PACKAGES_PATH unless another folder is named. None if one of them
    is not there: disks can be read without, and what they give says that it cannot boot over iSCSI.
    """
    source = packages_path or settings.PI_PACKAGES_PATH
    if any(package_file(source, name) is None for name in (_BUSYBOX, _OPEN_ISCSI)):
        return None
    try:
        for package in sorted(source.glob("*.deb")):
            name = package.name.partition("_")[0]
            if name in {_BUSYBOX, _OPEN_ISCSI} or name.startswith("lib"):
                _unpack(package, work / ("programs" if name == _BUSYBOX else "packages"))
        return _collected(work)
    except UnavailableError:
        return None


def _unpack(package: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    argv = ["dpkg-deb", "--extract", str(package), str(folder)]
    if run(argv, timeout_seconds=_UNPACK_SECONDS).exit_code != 0:
        raise UnavailableError(f"The package {package.name} is damaged.")


def _collected(work: Path) -> Initiator:
    """The programs are found by name: Debian moves them between /sbin and /usr/sbin."""
    unpacked = {path.name: path for path in sorted(work.rglob("*")) if path.is_file() and is_elf(path)}
    missing = [name for name in (*_PROGRAMS, LOADER) if name not in unpacked]
    if missing:
        raise UnavailableError(f"Debian's packages hold no {', '.join(missing)}.")
    libraries = with_libraries([unpacked[name] for name in _PROGRAMS], unpacked)
    return Initiator(
        {
            **{name: unpacked[name] for name in _PROGRAMS},
            f"lib/{LOADER}": unpacked[LOADER],
            **{f"lib/{name}": path for name, path in sorted(libraries.items())},
        }
    )
