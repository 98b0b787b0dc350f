"""Which operating system a disk holds, told by files in its file systems, read without mounting them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from netboot_site.system import look_with

_EXT = {"ext2", "ext3", "ext4"}
_FAT = {"vfat"}
_FILE_BYTES = 16 * 1024  # os-release has a few hundred
_LIST_BYTES = 64 * 1024
_MOST_LOOKED_AT = 16  # partitions; each costs a program's start
_MOST_WORDS = 100
# os-release(5): /etc/os-release is usually a link to the other one, and debugfs follows none.
_RELEASE_FILES = ("/usr/lib/os-release", "/etc/os-release")
_LOADERS = (
    ("Microsoft", "Windows"), ("debian", "Debian GNU/Linux"), ("ubuntu", "Ubuntu"),
    ("fedora", "Fedora Linux"), ("centos", "CentOS"), ("rocky", "Rocky Linux"), ("almalinux", "AlmaLinux"),
    ("opensuse", "openSUSE"), ("arch", "Arch Linux"),
)  # fmt: skip


def operating_system(path: Path, partitions: Sequence[dict[str, Any]]) -> str | None:
    """Its name as it gives it itself, else what its boot files or file systems tell, else None."""
    looked_at = partitions[:_MOST_LOOKED_AT]
    return next(_names(path, looked_at), None)


def _names(path: Path, partitions: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The surest first."""
    for partition in partitions:
        if partition["file_system"] in _EXT and (name := _release(path, partition["start_bytes"])):
            yield name
    for partition in partitions:
        if partition["file_system"] in _FAT and (name := _by_boot_files(path, partition["start_bytes"])):
            yield name
    if any("Microsoft reserved" in one["type"] or "Windows" in one["type"] for one in partitions):
        yield "Windows"


def _release(path: Path, start: int) -> str:
    """debugfs(8) reads a file system inside a file, where it is told the offset."""
    for name in _RELEASE_FILES:
        argv = ["debugfs", "-R", f"cat {name}", f"{path}?offset={start}"]
        found = release_name(look_with(argv, max_bytes=_FILE_BYTES).decode(errors="replace"))
        if found:
            return found
    return ""


def release_name(text: str) -> str:
    """os-release(5): PRETTY_NAME, else NAME. Pure."""
    words = dict(re.findall(r"^(PRETTY_NAME|NAME)=[\"']?([^\"'\n]*)", text, re.MULTILINE))
    name = words.get("PRETTY_NAME") or words.get("NAME") or ""
    return "".join(sign for sign in name if sign.isprintable()).strip()[:_MOST_WORDS]


def _by_boot_files(path: Path, start: int) -> str:
    """An EFI system partition's folder of loaders, or the firmware files of a Raspberry Pi (mtools(1))."""
    listed = _list(path, start, "::/EFI")
    for folder, name in _LOADERS:
        if f"::/EFI/{folder}/".lower() in listed.lower():
            return name
    root = _list(path, start, "::/").lower()
    if "::/config.txt" in root and ("::/cmdline.txt" in root or "::/start4.elf" in root):
        return "Raspberry Pi boot files"
    return ""


def _list(path: Path, start: int, folder: str) -> str:
    argv = ["env", "MTOOLS_SKIP_CHECK=1", "mdir", "-b", "-i", f"{path}@@{start}", folder]
    return look_with(argv, max_bytes=_LIST_BYTES).decode(errors="replace")
