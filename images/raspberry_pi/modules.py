"""The kernel modules of a disk that reach an iSCSI disk over a Raspberry Pi's own Ethernet, in load order.

They are the disk's own, since modules fit one kernel only: its root file system has them with a list of what
each needs (modules.dep(5)). All of it is hostile.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from images.raspberry_pi.ext import Ext
from images.raspberry_pi.segment import Module
from images.raspberry_pi.unpacking import UnpackingError, unpack_whole

MOST_LIST_BYTES = 8 * 1024**2  # Debian's have half a megabyte
MOST_MODULE_BYTES = 16 * 1024**2
MOST_TOGETHER_BYTES = 96 * 1024**2
_MOST_MODULES = 200
_ELF = b"\x7fELF"
_PATH = re.compile(r"[A-Za-z0-9._+~-]+(/[A-Za-z0-9._+~-]+)*")
_FOLDERS = ("/usr/lib/modules", "/lib/modules")  # the second is a link to the first, where there is one
_PACKINGS = (".xz", ".gz", ".zst")
NEEDED = "iscsi_tcp"
# What a kernel does not have, or has built in, is passed over.
_WANTED = (
    "af_packet", "rp1", "rp1_pci", "dwc2", "xhci_plat_hcd", "xhci_pci",  # the way to the network card
    "fixed_phy", "broadcom", "bcm7xxx", "microchip", "smsc", "mdio_bcm_unimac", "realtek",
    "genet", "bcmgenet", "macb", "smsc95xx", "lan78xx", "cdc_ether",  # Pi 4, Pi 5, Pi 2/3, Pi 3B+, QEMU's
    "crc32c_generic", "crc32c_cryptoapi", "iscsi_tcp", "sd_mod", "ext4",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """The modules of a release, and what is wrong with them, as an end of a sentence; empty if nothing is."""

    modules: Sequence[Module]
    fault: str = ""


def read_modules(root: Ext, release: str, work: Path) -> Found:
    """What the segment needs of the kernel's modules."""
    folder = next((one for one in _FOLDERS if release in root.names(one)), "")
    if not folder:
        return Found((), "its root file system has none for that kernel")
    listed = parse_list(root.read(f"{folder}/{release}/modules.dep", MOST_LIST_BYTES))
    if not listed:
        return Found((), "their list modules.dep is missing or damaged")
    built_in = root.read(f"{folder}/{release}/modules.builtin", MOST_LIST_BYTES)
    if NEEDED not in listed and f"/{NEEDED}.ko".encode() not in built_in:
        return Found((), f"the kernel was made without {NEEDED}")
    return _read(root, f"{folder}/{release}", in_load_order(listed, _WANTED), work)


def _read(root: Ext, folder: str, paths: Sequence[str], work: Path) -> Found:
    modules: list[Module] = []
    damaged: list[str] = []
    left = MOST_TOGETHER_BYTES
    for path in paths[:_MOST_MODULES]:
        name = module_name(path)
        try:
            data = unpack_whole(root.read(f"{folder}/{path}", MOST_MODULE_BYTES), MOST_MODULE_BYTES, work)
        except UnpackingError:
            data = b""
        if not data.startswith(_ELF) or len(data) > left:
            damaged.append(name)
            continue
        left -= len(data)
        modules.append((f"{name}.ko", data))
    fault = f"some of them cannot be read: {', '.join(damaged[:5])}" if damaged else ""
    return Found(modules, fault)


def parse_list(data: bytes) -> dict[str, list[str]]:
    """modules.dep(5): each module's name -> its path and the paths of what it needs. Pure."""
    listed: dict[str, list[str]] = {}
    for line in data.decode(errors="replace").splitlines():
        path, colon, needed = line.partition(":")
        paths = [path, *needed.split()]
        if colon and all(_is_plain(one) for one in paths):
            listed[module_name(path)] = paths
    return listed


def _is_plain(path: str) -> bool:
    return bool(_PATH.fullmatch(path)) and ".." not in path.split("/")


def module_name(path: str) -> str:
    """As the kernel spells it, whatever it is packed with."""
    name = path.rpartition("/")[2]
    for packing in _PACKINGS:
        name = name.removesuffix(packing)
    return name.removesuffix(".ko").replace("-", "_")


def in_load_order(listed: Mapping[str, Sequence[str]], wanted: Iterable[str]) -> list[str]:
    """The paths of the wanted modules and of what they need, each after what it needs. Pure.

    modules.dep names all that a module needs, and each of them before what that needs itself.
    """
    ordered: dict[str, None] = {}
    for name in wanted:
        paths = listed.get(name, ())
        ordered |= dict.fromkeys(path for path in reversed(paths) if path not in ordered)
    return list(ordered)
