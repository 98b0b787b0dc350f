"""Debian packages fetched and unpacked into a folder; nothing is installed on this machine."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from netboot_site.errors import UnavailableError
from netboot_site.system import Completed, run

KERNEL_PACKAGE = "linux-image-cloud-amd64"  # Debian's kernel for virtual machines: a third of the general one
INITIATOR_PACKAGE = "open-iscsi"
# In the project's folder and not under DATA_PATH: every instance of this checkout shares it.
CACHE_PATH = Path(__file__).resolve().parents[2] / "var" / "demo"
_DOWNLOAD_SECONDS = 300.0
_UNPACK_SECONDS = 60.0


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
        *_depends(KERNEL_PACKAGE, r"linux-image-\d.*"),
        INITIATOR_PACKAGE,
        *_depends(INITIATOR_PACKAGE, r"lib(isns|kmod|openiscsiusr).*"),
    ]
    packages = work / "packages"
    packages.mkdir()
    words = ["apt-get", "download", "--quiet", "-o", "APT::Sandbox::User=root", *names]
    _checked(run(["env", "--chdir", str(packages), *words], timeout_seconds=_DOWNLOAD_SECONDS))
    for package in sorted(packages.glob("*.deb")):
        unpack = ["dpkg-deb", "--extract", str(package), str(work / "unpacked")]
        _checked(run(unpack, timeout_seconds=_UNPACK_SECONDS))
    shutil.rmtree(packages)


def _depends(package: str, pattern: str) -> list[str]:
    """The packages of that name pattern on which it depends."""
    listing = _checked(run(["apt-cache", "depends", "--important", package])).stdout
    found = re.findall(r"Depends: (\S+)", listing)
    return sorted({name for name in found if re.fullmatch(pattern, name)})


def _checked(done: Completed) -> Completed:
    if done.exit_code != 0:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["no reason given"]
        raise UnavailableError(
            f"Debian's packages for the virtual PC could not be fetched ({done.argv[0]}: {reason[0]})."
            " They are needed once; then they are kept. Run `apt-get update` and try again."
        )
    return done


if __name__ == "__main__":  # `make setup-test` fetches them before there is need
    guest_packages(CACHE_PATH)
