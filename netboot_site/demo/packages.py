"""Debian packages fetched and unpacked into a folder; nothing is installed on this machine."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from netboot_site.packages import Apt

KERNEL_PACKAGE = "linux-image-cloud-amd64"  # Debian's kernel for virtual machines: a third of the general one
INITIATOR_PACKAGE = "open-iscsi"
# In the project's folder and not under DATA_PATH: every instance of this checkout shares it.
CACHE_PATH = Path(__file__).resolve().parents[2] / "var" / "demo"
_APT = Apt("the virtual PC", "Run `apt-get update` and try again.")


def guest_packages(cache_path: Path) -> Path:
    """The folder that holds the guest's kernel and iSCSI initiator; downloaded once, then kept."""
    unpacked = cache_path / "packages"
    if not unpacked.is_dir():
        cache_path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_path) as work:
            _fetch(Path(work))
            _keep(Path(work) / "unpacked", unpacked)
    return unpacked


def _keep(made: Path, place: Path) -> None:
    try:
        made.rename(place)
    except OSError:
        if not place.is_dir():  # it is there if another process was faster
            raise


def _fetch(work: Path) -> None:
    names = [
        *_APT.needs(KERNEL_PACKAGE, r"linux-image-\d.*"),
        INITIATOR_PACKAGE,
        *_APT.needs(INITIATOR_PACKAGE, r"lib(isns|kmod|openiscsiusr).*"),
    ]
    packages = work / "packages"
    packages.mkdir()
    _APT.download(names, packages)
    for package in sorted(packages.glob("*.deb")):
        _APT.unpack(package, work / "unpacked")
    shutil.rmtree(packages)


if __name__ == "__main__":  # `make setup-test` fetches them before there is need
    guest_packages(CACHE_PATH)
