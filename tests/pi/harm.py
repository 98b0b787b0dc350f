"""Harms a built disk on purpose, as a broken card or an ill-willed person would."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.pi.image import BOOT_START_BYTES, MIB, ROOT_START_BYTES

_SECTOR_BYTES = 512


class BootFat:
    """The FAT32 of a built disk, whose clusters are one sector."""

    def __init__(self, disk: Path) -> None:
        self.disk = disk
        with disk.open("rb") as reader:
            reader.seek(BOOT_START_BYTES)
            boot = reader.read(_SECTOR_BYTES)
        self.reserved, self.tables = struct.unpack_from("<HB", boot, 14)
        self.table_sectors, self.root = struct.unpack_from("<I4xI", boot, 36)
        self.data = BOOT_START_BYTES + (self.reserved + self.tables * self.table_sectors) * _SECTOR_BYTES

    def entry(self, short_name: bytes) -> int:
        """Where the row of a file in the root folder is, by its short name of eleven signs."""
        with self.disk.open("rb") as reader:
            reader.seek(self.data)
            found = reader.read(ROOT_START_BYTES - self.data).find(short_name)
        assert found >= 0, f"the root folder has no {short_name!r}"
        return self.data + found

    def lie_about_size(self, short_name: bytes, size_bytes: int) -> None:
        """Let a file say that it is so large."""
        self._write(self.entry(short_name) + 28, struct.pack("<I", size_bytes))

    def first_cluster(self, short_name: bytes) -> int:
        """Where a file starts."""
        with self.disk.open("rb") as reader:
            reader.seek(self.entry(short_name))
            high, low = struct.unpack_from("<H4xH", reader.read(32), 20)
        return int(high) << 16 | int(low)

    def start_at(self, short_name: bytes, cluster: int) -> None:
        """Let a file or folder start somewhere else."""
        at = self.entry(short_name)
        self._write(at + 20, struct.pack("<H", cluster >> 16))
        self._write(at + 26, struct.pack("<H", cluster & 0xFFFF))

    def chain(self, cluster: int, following: int) -> None:
        """Let a cluster be followed by another one, which may be itself."""
        self._write(
            BOOT_START_BYTES + self.reserved * _SECTOR_BYTES + 4 * cluster, struct.pack("<I", following)
        )

    def _write(self, at: int, data: bytes) -> None:
        with self.disk.open("r+b") as writer:
            writer.seek(at)
            writer.write(data)


def damage_root(disk: Path) -> None:
    """Leave the root file system its first block, by which it is recognised, and little else."""
    with disk.open("r+b") as writer:
        writer.seek(ROOT_START_BYTES + 4096)
        writer.write(b"\xa5" * (16 * MIB))
