"""Takes out of Debian's packages what the waiting system is made of."""

from __future__ import annotations

import gzip
import lzma
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bootflow.raspberry_pi.waiting.boards import DEVICE_TREES, has_network
from netboot_site import pi_packages
from netboot_site.errors import UnavailableError
from netboot_site.modules import in_load_order
from netboot_site.packages import package_file, read_package

# USB with its network cards (Pi 2 and 3; cdc_ether: QEMU's), the card of a Pi 4, the chips behind their
# sockets; the watchdog is what restarts a Pi.
NETWORK = [
    "phy_generic", "dwc2", "smsc", "smsc95xx", "microchip", "lan78xx", "cdc_ether", "bcm7xxx", "broadcom",
    "mdio_bcm_unimac", "genet", "bcm2835_wdt",
]  # fmt: skip
# A later kernel may have these for a Pi 5's network, or build them in.
NETWORK_IF_THERE = ["clk_rp1", "pinctrl_rp1", "rp1_pci", "macb"]
DISPLAY_IF_THERE = ["i2c_bcm2835", "snd_soc_hdmi_codec", "vc4"]
_FOLDERS = re.compile(
    r"(boot/vmlinuz-|lib/linux-image-[^/]+/broadcom/|lib/modules/[^/]+/modules\.builtin$"
    r"|lib/modules/[^/]+/kernel/(arch|crypto|lib|net|sound|drivers/"
    r"(clk|gpu|i2c|media|mfd|misc|net|pci|pinctrl|pwm|usb|watchdog))/)"
)
_FIRMWARE = re.compile(r"lib/raspi-firmware/(bootcode\.bin|start[^/]*\.elf|fixup[^/]*\.dat)")
_GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel as the firmware loads it, device trees under the firmware's names, modules in order."""

    image: bytes
    device_trees: dict[str, bytes]
    network: list[Path]
    display: list[Path]


def read_kernel(packages: Path, work: Path) -> Kernel:
    """Unpack what is needed of the kernel into `work`. Raises UnavailableError."""
    for package in sorted(packages.glob("linux-*.deb")):
        for path, content in read_package(package, lambda name: bool(_FOLDERS.match(name))):
            _put(work, path, content)
    images = sorted(work.glob("boot/vmlinuz-*"))
    if not images:
        raise UnavailableError(f"Debian's packages hold no kernel. {pi_packages.HOW_TO_FETCH}")
    release = images[-1].name.removeprefix("vmlinuz-")
    find = _finder(work / "lib/modules" / release)
    return Kernel(
        image=_compressed(images[-1].read_bytes()),
        device_trees=_device_trees(work / f"lib/linux-image-{release}/broadcom"),
        network=find([*NETWORK, *NETWORK_IF_THERE], NETWORK_IF_THERE),
        display=find(DISPLAY_IF_THERE, DISPLAY_IF_THERE),
    )


def read_firmware(packages: Path) -> dict[str, bytes]:
    """bootcode.bin with each start file and its fixup file, all of one release."""
    files = _files_of(packages, pi_packages.FIRMWARE, lambda name: bool(_FIRMWARE.fullmatch(name)))
    return {name.rpartition("/")[2]: content for name, content in files.items()}


def read_busybox(packages: Path) -> bytes:
    """The one program of the waiting system."""
    return _files_of(packages, pi_packages.BUSYBOX, lambda name: name == "bin/busybox")["bin/busybox"]


def _files_of(packages: Path, name: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    package = package_file(packages, name)
    files = dict(read_package(package, wanted)) if package else {}
    if not files:
        raise UnavailableError(f"Debian's package {name} is missing. {pi_packages.HOW_TO_FETCH}")
    return files


def _put(work: Path, path: str, content: bytes) -> None:
    """Debian 13 and later compress their modules."""
    if path.endswith(".ko.xz"):
        path, content = path.removesuffix(".xz"), lzma.decompress(content)
    place = work / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def _finder(modules: Path) -> Callable[[list[str], list[str]], list[Path]]:
    listed = modules / "modules.builtin"
    builtin = {_name(line) for line in (listed.read_text() if listed.exists() else "").splitlines()}
    there = {_name(str(path)) for path in modules.rglob("*.ko")}

    def find(names: list[str], dispensable: list[str]) -> list[Path]:
        wanted = [name for name in names if name not in builtin]
        return in_load_order(modules, [name for name in wanted if name in there or name not in dispensable])

    return find


def _name(path: str) -> str:
    return Path(path).stem.replace("-", "_")


def _device_trees(folder: Path) -> dict[str, bytes]:
    there = {path.name: path.read_bytes() for path in folder.glob("*.dtb")}
    fitting = {asked: there[name] for asked, name in DEVICE_TREES.items() if name in there}
    return {asked: content for asked, content in fitting.items() if has_network(content)}


def _compressed(image: bytes) -> bytes:
    """The firmware unpacks a 64-bit kernel by itself, and a third of the bytes comes over the wire."""
    return image if image.startswith(_GZIP_MAGIC) else gzip.compress(image, compresslevel=6, mtime=0)
