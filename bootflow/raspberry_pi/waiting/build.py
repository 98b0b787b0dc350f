"""Builds the waiting system into a folder that is named by all that it is made from; once, and then kept."""

from __future__ import annotations

import gzip
import hashlib
import logging
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from bootflow.raspberry_pi.waiting.parts import Kernel, read_busybox, read_firmware, read_kernel
from netboot_site import cpio, pi_packages
from netboot_site.errors import UnavailableError

logger = logging.getLogger(__name__)
HERE = Path(__file__).parent
CONFIG = """\
# The waiting system of Netboot Orchestrator: what a Raspberry Pi boots until it has a disk.
[all]
arm_64bit=1
enable_uart=1
initramfs initramfs8 followkernel
"""
# What the guest says goes to every console as a message of the kernel: the port that a Pi 3's Bluetooth owns
# (ttyAMA0, with Debian's device trees) is a console and no terminal. The pins have ttyS1. The kernel's own
# messages and the time before each line are left out.
_CMDLINE = (
    "console=ttyAMA0,115200 console=ttyS1,115200 console=tty1 quiet loglevel=3 printk.time=0"
    " printk.devkmsg=on net.ifnames=0 panic=10 netboot.url={url}"
)
_KEY_LENGTH = 24
_PREPARED = "waiting-"
_GRACE_SECONDS = 600.0  # a Pi may be fetching the old one, or a build be under way


def waiting_key(packages: Path, url: str) -> str:
    """The name of the folder: another one for each other package, address of ours or version of our part."""
    names = sorted(path.name for path in packages.glob("*.deb"))
    sources = [path.read_bytes() for path in sorted(HERE.iterdir()) if path.is_file()]
    parts = [url.encode(), *(name.encode() for name in names), *sources]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:_KEY_LENGTH]


def ensure_waiting_system(place: Path, packages: Path, url: str) -> Path:
    """The waiting system's folder below `place`, made if it is not there; `url` is ours and ends with /boot/.

    Raises UnavailableError with what to do.
    """
    made = place / waiting_key(packages, url)
    if made.is_dir():
        return made
    if missing := pi_packages.missing_from(packages):
        raise UnavailableError(missing_packages(missing))
    _build_in(made, packages, url)
    logger.info("The waiting system for Raspberry Pis has been built: %s", made.name)
    return made


def _build_in(made: Path, packages: Path, url: str) -> None:
    try:
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent, prefix=".") as name:
            _build(Path(name), packages, url)
            (Path(name) / "made").rename(made)
    except OSError as error:
        if made.is_dir():  # another process was faster
            return
        why = error.strerror or "an input/output error"
        raise UnavailableError(
            f"The waiting system for Raspberry Pis could not be written: {why}."
        ) from error


def remove_others(made: Path) -> None:
    """Those of another address or of older packages, and what was left by a build that was killed."""
    now = time.time()
    for path in made.parent.iterdir():
        if path != made and now - path.stat().st_mtime > _GRACE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def missing_packages(names: Iterable[str]) -> str:
    """What to tell a person."""
    return (
        f"Debian's arm64 packages for Raspberry Pis are missing ({', '.join(names)})."
        f" {pi_packages.HOW_TO_FETCH} Until then Raspberry Pis that nobody has approved keep retrying"
        " to boot, and images without iSCSI of their own cannot boot on one."
    )


def prepared_folder(packages: Path) -> Path:
    """Where the part of it lies that is the same at every address, if that has been made beforehand."""
    return packages / f"{_PREPARED}{waiting_key(packages, '')}"


def prepare(packages: Path) -> None:
    """Make that part, so that an orchestrator which starts has only to copy it. Raises UnavailableError."""
    place = prepared_folder(packages)
    if place.is_dir():
        return
    with tempfile.TemporaryDirectory(dir=packages, prefix=".") as name:
        _write(Path(name) / "made", _read_parts(packages, Path(name)))
        for old in packages.glob(f"{_PREPARED}*"):
            shutil.rmtree(old)
        (Path(name) / "made").rename(place)


def _build(work: Path, packages: Path, url: str) -> None:
    ready = prepared_folder(packages)
    if ready.is_dir():
        parts = {path.name: path.read_bytes() for path in ready.iterdir()}
    else:
        parts = _read_parts(packages, work)
    _write(work / "made", {**parts, "cmdline.txt": f"{_CMDLINE.format(url=url)}\n".encode()})


def _read_parts(packages: Path, work: Path) -> dict[str, bytes]:
    kernel = read_kernel(packages, work / "kernel")
    return {
        **read_firmware(packages),
        **kernel.device_trees,
        "kernel8.img": kernel.image,
        "initramfs8": initramfs(kernel, read_busybox(packages)),
        "config.txt": CONFIG.encode(),
    }


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(mode=0o755)
    for name, content in files.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o644)


def initramfs(kernel: Kernel, busybox: bytes) -> bytes:
    """The compressed archive that the kernel unpacks and runs; the same for the same parts."""
    modules = dict.fromkeys([*kernel.network, *kernel.display])
    lists = {"network": kernel.network, "display": kernel.display}
    entries = [
        *(cpio.folder(name) for name in ("dev", "proc", "sys", "run", "tmp")),
        cpio.character_device("dev/console", 5, 1),  # the kernel opens it before devtmpfs is mounted
        cpio.file("bin/busybox", busybox, executable=True),
        cpio.file("init", (HERE / "init.sh").read_bytes(), executable=True),
        cpio.file("udhcpc.sh", (HERE / "udhcpc.sh").read_bytes(), executable=True),
        *(cpio.file(f"modules/{path.name}", path.read_bytes()) for path in modules),
        *(
            cpio.file(f"modules/{name}", "".join(f"{path.name}\n" for path in paths).encode())
            for name, paths in lists.items()
        ),
    ]
    return gzip.compress(cpio.archive(entries), compresslevel=9, mtime=0)
