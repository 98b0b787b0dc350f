"""Which kernels a boot partition has, told by their contents, and which initramfs goes with which."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from images.raspberry_pi.unpacking import unpack_whole

MOST_UNPACKED_BYTES = 128 * 1024**2
_ARM64, _ARM64_AT = b"ARM\x64", 56  # Documentation/arch/arm64/booting.rst, section 4
_ZIMAGE, _ZIMAGE_AT = b"\x18\x28\x6f\x01", 0x24  # arch/arm/boot/compressed/head.S
_BANNER = re.compile(rb"Linux version ([0-9][A-Za-z0-9._+~-]{1,99}) \(")  # init/version.c
_KERNEL_NAME = re.compile(r"kernel[\w.-]*\.img|vmlinu[xz][\w.+-]*|Image(\.gz)?")
_INITRAMFS_NAME = re.compile(r"(initramfs|initrd)[\w.+-]*")
_MOST = 16  # kernels or initramfs of one partition that are looked into
# raspberrypi/documentation, config_txt/boot.adoc: what auto_initramfs=1 takes for which kernel.
_USUAL = {
    "initramfs8": "kernel8.img", "initramfs_2712": "kernel_2712.img", "initramfs7l": "kernel7l.img",
    "initramfs7": "kernel7.img", "initramfs": "kernel.img",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel; its release is empty where it does not tell."""

    file: str
    release: str
    bits: int


@dataclass(frozen=True, slots=True)
class Named:
    """The files that config.txt names, whatever board a line is for."""

    kernels: Sequence[str]
    initramfs: Sequence[tuple[str, str]]  # an initramfs and the kernel named in the same section, or ""


def look_into(file: str, path: Path, work: Path) -> Kernel | None:
    """None if it is no kernel. Raises UnpackingError."""
    data = unpack_whole(path.read_bytes(), MOST_UNPACKED_BYTES, work)
    if data[_ZIMAGE_AT : _ZIMAGE_AT + 4] == _ZIMAGE:
        return Kernel(file, "", 32)
    banner = _BANNER.search(data)
    is_arm64 = data[_ARM64_AT : _ARM64_AT + 4] == _ARM64
    if banner is None and not is_arm64:
        return None
    return Kernel(file, banner[1].decode() if banner else "", 64 if is_arm64 else 32)


def named_in(config: str) -> Named:
    """What config.txt names as kernels and initramfs. Pure."""
    kernels: list[str] = []
    initramfs: list[tuple[str, str]] = []
    current = ""
    for line in config.splitlines():
        words = line.partition("#")[0].strip()
        if words.startswith("["):
            current = ""
        elif found := re.match(r"kernel\s*=\s*(\S+)", words):
            current = found[1]
            kernels.append(current)
        elif found := re.match(r"(?:initramfs|ramfsfile)\s*[\s=]\s*(\S+)", words):
            initramfs += [(name, current) for name in found[1].split(",") if name]
    return Named(kernels, initramfs)


def kernel_files(names: Iterable[str], named: Named) -> list[str]:
    """The files that may be kernels, those of usual names first."""
    here = sorted(names)
    usual = [name for name in here if _KERNEL_NAME.fullmatch(name)]
    return list(dict.fromkeys([*usual, *(name for name in named.kernels if name in here)]))[:_MOST]


def initramfs_files(names: Iterable[str], named: Named) -> list[str]:
    """The files that may be an initramfs."""
    here = sorted(names)
    usual = [name for name in here if _INITRAMFS_NAME.fullmatch(name)]
    return list(dict.fromkeys([*usual, *(name for name, _ in named.initramfs if name in here)]))[:_MOST]


def kernel_of(initramfs: str, release: str, kernels: Collection[Kernel], named: Named) -> Kernel | None:
    """The kernel that an initramfs is loaded with: by its usual name, by config.txt, by release. Pure."""
    by_file = {kernel.file: kernel for kernel in kernels}
    together = [kernel for name, kernel in named.initramfs if name == initramfs]
    for file in [*together, _USUAL.get(initramfs, ""), re.sub(r"^initrd\.img", "vmlinuz", initramfs)]:
        if file in by_file:
            return by_file[file]
    fitting = [kernel for kernel in kernels if release and kernel.release == release]
    return fitting[0] if fitting else None
