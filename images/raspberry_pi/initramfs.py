"""What an initramfs is made of: which program made it, for which kernel, and whether it can do iSCSI.

It is a row of cpio archives (cpio(5), "newc"), each packed or not, with zeros between them, as the kernel
reads it (driver-api/early-userspace/buffer-format.rst in its documentation). Only names are looked at; all is
hostile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from images.raspberry_pi.unpacking import UnpackingError, unpack

MOST_UNPACKED_BYTES = 256 * 1024**2  # Raspberry Pi OS's have some 40 MiB
_MOST_SEGMENTS, _MOST_NAMES, _MOST_NAME_BYTES = 16, 100_000, 4096
_HEADER_BYTES, _ALIGNED_BYTES = 110, 4
_MAGICS = {b"070701", b"070702"}
_TRAILER = "TRAILER!!!"
_RELEASE = re.compile(r"(?:usr/)?lib/modules/([A-Za-z0-9._+~-]{1,100})/")


class Maker(StrEnum):
    """Which program made it."""

    INITRAMFS_TOOLS = "initramfs-tools"
    DRACUT = "dracut"
    OTHER = "another program"


@dataclass(frozen=True, slots=True)
class Initramfs:
    """What its names tell."""

    maker: Maker
    release: str  # of the kernel whose modules it has; empty if it has none
    has_iscsi: bool


def look_into(path: Path, work: Path) -> Initramfs:
    """Raises UnpackingError, in words for the person, if it cannot be read to its end."""
    return recognise(set(_names(path.read_bytes(), work)))


def recognise(names: set[str]) -> Initramfs:
    """By the names of its files. Pure."""
    has_program = any(name.endswith("/iscsistart") for name in names)
    releases = sorted({found[1] for name in names if (found := _RELEASE.match(name))})
    if any(name.startswith(("lib/dracut", "usr/lib/dracut")) for name in names):
        maker = Maker.DRACUT
    elif "scripts/local" in names and "scripts/functions" in names:
        maker = Maker.INITRAMFS_TOOLS
        has_program = has_program and "scripts/local-top/iscsi" in names
    else:
        maker = Maker.OTHER
    return Initramfs(maker, releases[0] if releases else "", has_program)


def _names(packed: bytes, work: Path) -> Iterator[str]:
    left = MOST_UNPACKED_BYTES
    for _ in range(_MOST_SEGMENTS):
        packed = packed.lstrip(b"\0")
        if not packed:
            return
        found = unpack(packed, left, work)
        if found is None:
            end, names = _archive(packed)
            packed = packed[end:]
        else:
            names = [name for archive in _archives(found.data) for name in archive]
            packed, left = packed[found.taken_bytes :], left - len(found.data)
        yield from names
    raise UnpackingError(f"it has more than {_MOST_SEGMENTS} parts")


def _archives(data: bytes) -> Iterator[list[str]]:
    """Those that were packed as one."""
    for _ in range(_MOST_SEGMENTS):
        data = data.lstrip(b"\0")
        if not data:
            return
        end, names = _archive(data)
        yield names
        data = data[end:]


def _archive(data: bytes) -> tuple[int, list[str]]:
    """Where the archive ends, and its names. Raises UnpackingError."""
    names: list[str] = []
    at = 0
    while len(names) < _MOST_NAMES:
        if data[at : at + 6] not in _MAGICS:
            raise UnpackingError("it is no archive that a kernel unpacks")
        size, name_bytes = _number(data, at + 54), _number(data, at + 94)
        if not 0 < name_bytes <= _MOST_NAME_BYTES or at + _HEADER_BYTES + name_bytes + size > len(data):
            raise UnpackingError("it is cut off or damaged")
        name = data[at + _HEADER_BYTES : at + _HEADER_BYTES + name_bytes - 1].decode(errors="replace")
        at = _aligned(_aligned(at + _HEADER_BYTES + name_bytes) + size)
        if name == _TRAILER:
            return at, names
        names.append(name.removeprefix("./").lstrip("/"))
    raise UnpackingError(f"it has more than {_MOST_NAMES} files")


def _number(data: bytes, at: int) -> int:
    try:
        return int(data[at : at + 8], 16)
    except ValueError as error:
        raise UnpackingError("it is damaged") from error


def _aligned(at: int) -> int:
    return -(-at // _ALIGNED_BYTES) * _ALIGNED_BYTES
