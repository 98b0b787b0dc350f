"""Reads a FAT file system inside a disk, with limits: everything in it is hostile.

In Python and not by mtools(1): names never become words of a program or paths of ours, a chain of clusters
ends where it must, and no size is believed. Layout: Microsoft's "FAT32 File System Specification" 1.03.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MOST_TABLE_BYTES = 32 * 1024**2  # of one FAT: 8 million clusters, far beyond any boot partition
MOST_FOLDER_BYTES = 2 * 1024**2  # the specification's own limit
_ENTRY_BYTES = 32
_READ_BYTES = 1024**2
_FREE_TO_END, _DELETED = 0x00, 0xE5
_FOLDER, _VOLUME, _LONG = 0x10, 0x08, 0x0F
_LAST_LONG, _LONG_SIGNS = 0x40, 13
_BASE_IS_LOWER = 0x08  # Windows NT's use of the reserved byte
_LIMITS = {12: 4085, 16: 65525}  # clusters from which on it is the next type


class FatError(Exception):
    """This cannot be what it says."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder, as its folder names it."""

    name: str
    is_folder: bool
    cluster: int
    size_bytes: int


class Fat:
    """A FAT file system that starts at a byte of an open disk. Raises FatError if it cannot be one."""

    def __init__(self, disk: BinaryIO, start: int, size: int) -> None:
        self._disk, self._start, self._end = disk, start, start + size
        boot = self._bytes(0, 512)
        sector, per_cluster, reserved, tables, roots = struct.unpack_from("<HBHBH", boot, 11)
        sectors = struct.unpack_from("<H", boot, 19)[0] or struct.unpack_from("<I", boot, 32)[0]
        table_sectors = struct.unpack_from("<H", boot, 22)[0] or struct.unpack_from("<I", boot, 36)[0]
        if sector not in {512, 1024, 2048, 4096} or per_cluster not in {1, 2, 4, 8, 16, 32, 64, 128}:
            raise FatError("its first sector is not one of a FAT file system")
        if not 1 <= tables <= 2 or not reserved or not 0 < table_sectors * sector <= MOST_TABLE_BYTES:
            raise FatError("its allocation table cannot have the size that it says")
        root_at = (reserved + tables * table_sectors) * sector
        self._root_area = (root_at, roots * _ENTRY_BYTES)
        self._data_at = root_at + -(-roots * _ENTRY_BYTES // sector) * sector
        self.cluster_bytes = sector * per_cluster
        clusters = max(0, min(sectors * sector, size) - self._data_at) // self.cluster_bytes
        self._bits = next((bits for bits, limit in _LIMITS.items() if clusters < limit), 32)
        self._next = self._table(reserved * sector, table_sectors * sector, clusters + 2)
        self._root_cluster = struct.unpack_from("<I", boot, 44)[0] if self._bits == 32 else 0

    def root(self) -> list[Entry]:
        """What is in the root folder."""
        if self._bits == 32:
            return self.folder(self._root_cluster)
        at, size = self._root_area
        return list(_entries(self._bytes(at, min(size, MOST_FOLDER_BYTES))))

    def folder(self, cluster: int) -> list[Entry]:
        """What is in the folder that starts at this cluster, without `.` and `..`."""
        data = bytearray()
        for at, length in self._runs(cluster, MOST_FOLDER_BYTES // self.cluster_bytes, is_exact=False):
            data += self._bytes(at, length)
        return list(_entries(bytes(data)))

    def copy(self, entry: Entry, target: Path) -> None:
        """Write a file's content. Raises FatError if its size and its clusters contradict each other."""
        left = entry.size_bytes
        clusters = -(-left // self.cluster_bytes)
        runs = list(self._runs(entry.cluster, clusters, is_exact=True)) if clusters else []
        with target.open("wb") as writer:
            for at, length in runs:
                end = at + min(length, left)
                left -= end - at
                for place in range(at, end, _READ_BYTES):
                    writer.write(self._bytes(place, min(_READ_BYTES, end - place)))

    def _runs(self, cluster: int, most: int, *, is_exact: bool) -> Iterator[tuple[int, int]]:
        """Place and length of neighbouring clusters of a chain. Raises FatError for one of another length."""
        count, first, length = 0, cluster, 0
        while 2 <= cluster < len(self._next):
            count += 1
            if count > most:
                raise FatError("a chain of clusters is longer than what it holds")
            length += 1
            following = self._next[cluster]
            if following != cluster + 1:
                yield self._data_at + (first - 2) * self.cluster_bytes, length * self.cluster_bytes
                first, length = following, 0
            cluster = following
        if is_exact and count != most:
            raise FatError("a chain of clusters is shorter than what it holds")

    def _table(self, at: int, size: int, count: int) -> array[int]:
        """The next cluster of each."""
        width = {12: 1.5, 16: 2, 32: 4}[self._bits]
        if count * width > size + width:
            raise FatError("its allocation table is too short for its clusters")
        data = self._bytes(at, size)
        if self._bits == 12:
            return _unpacked_12(data, count)
        found = array("H" if self._bits == 16 else "I", data)
        return found[:count] if self._bits == 16 else array("I", (one & 0x0FFFFFFF for one in found[:count]))

    def _bytes(self, at: int, length: int) -> bytes:
        """Of the file system; never of what lies beyond it."""
        if at < 0 or self._start + at + length > self._end:
            raise FatError("it refers to something beyond its end")
        self._disk.seek(self._start + at)
        data = self._disk.read(length)
        if len(data) != length:
            raise FatError("it refers to something beyond the disk's end")
        return data


def _unpacked_12(data: bytes, count: int) -> array[int]:
    table = array("H")
    for number in range(count):
        at = number * 3 // 2
        pair = int.from_bytes(data[at : at + 2], "little")
        table.append(pair >> 4 if number % 2 else pair & 0xFFF)
    return table


def _entries(data: bytes) -> Iterator[Entry]:
    long: dict[int, bytes] = {}
    for at in range(0, len(data) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
        row = data[at : at + _ENTRY_BYTES]
        kind = row[11]
        if row[0] == _FREE_TO_END:
            return
        if row[0] == _DELETED:
            long = {}
        elif kind & 0x3F == _LONG:
            long = {} if row[0] & _LAST_LONG else long
            long[row[0] & 0x1F] = row[1:11] + row[14:26] + row[28:32] + row[13:14]
        else:
            if not kind & _VOLUME and row[0] != ord("."):
                yield _entry(row, long)
            long = {}


def _entry(row: bytes, long: dict[int, bytes]) -> Entry:
    high, low, size = struct.unpack_from("<H4xHI", row, 20)
    name = _long_name(row, long) or _short_name(row)
    return Entry(name, bool(row[11] & _FOLDER), high << 16 | low, size)


def _long_name(row: bytes, long: dict[int, bytes]) -> str:
    """Empty where its parts are not all there, or belong to another entry."""
    check = 0
    for sign in row[:11]:
        check = ((check & 1) << 7 | check >> 1) + sign & 0xFF
    if sorted(long) != list(range(1, len(long) + 1)) or any(part[-1] != check for part in long.values()):
        return ""
    text = b"".join(long[number][: 2 * _LONG_SIGNS] for number in sorted(long)).decode("utf-16-le", "replace")
    return text.split("\0")[0]


def _short_name(row: bytes) -> str:
    """In lower case, as a Raspberry Pi's firmware asks for it: such a name has hardly a case of its own.

    It asks for `overlays/README`, too, to see whether the folder is there: a name without an extension stays.
    """
    base, extension = row[:8].rstrip(b" "), row[8:11].rstrip(b" ")
    name = b".".join([base, extension] if extension else [base]).decode("ascii", "replace")
    keeps_capitals = not extension and not row[11] & _FOLDER and not row[12] & _BASE_IS_LOWER
    return name if keeps_capitals else name.lower()
