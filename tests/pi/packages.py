"""Debian's arm64 packages, each unpacked into a folder of its own; fetched once, then kept below `var/pi`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from netboot_site.packages import Apt
from netboot_site.sources import write_configuration

# In the project's folder and not under DATA_PATH: every run of the suite shares it.
CACHE_PATH = Path(__file__).resolve().parents[2] / "var" / "pi"
_KERNEL = "linux-image-arm64"
_PACKAGES = [
    "raspi-firmware", "busybox-static", "busybox", "initramfs-tools-core", "klibc-utils", "libklibc", "kmod",
    "udev", "open-iscsi", "libopeniscsiusr", "libkmod2", "liblzma5", "libzstd1", "libssl3", "libc6",
    "libisns0", "libacl1", "libcap2", "libblkid1", "libselinux1", "libpcre2-8-0", "libudev1", "libgcc-s1",
    "util-linux", "libuuid1",
]  # fmt: skip


def pi_packages() -> Path:
    """The folder that has a folder for each package, and `kernel` for the kernel's."""
    kept = CACHE_PATH / "packages"
    if not kept.is_dir():
        CACHE_PATH.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE_PATH) as name:
            made = _fetch(Path(name))
            if not kept.is_dir():  # another process may have been faster
                made.rename(kept)
    return kept


def _fetch(work: Path) -> Path:
    apt = Apt("the tests' Raspberry Pis", "Run `make setup-test`.", write_configuration(work, "arm64"))
    apt.update()
    fetched, unpacked = work / "fetched", work / "unpacked"
    fetched.mkdir()
    apt.download([*_PACKAGES, *apt.needs(_KERNEL, r"linux-image-\d.*")], fetched)
    for package in sorted(fetched.glob("*.deb")):
        name = package.name.partition("_")[0]
        folder = unpacked / ("kernel" if name.startswith("linux-image-") else name)
        folder.mkdir(parents=True)
        apt.unpack(package, folder)
    return unpacked


if __name__ == "__main__":  # `make setup-test` fetches them before there is need
    pi_packages()
