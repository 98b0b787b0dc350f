"""Writes a qcow2 file from its first byte to its last, without ever going back.

Where every byte will be is known before the first one is sent: header, refcounts, tables, and then the
clusters that hold data, in the order of the disk. The format: docs/interop/qcow2.txt in QEMU's sources.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from images.disk_reading import Extent, OpenDisk, ahead
from images.outgoing.raw import Chunks

CLUSTER_BITS = 16
CLUSTER = 1 << CLUSTER_BITS
L2_ENTRIES = CLUSTER // 8
REFCOUNT_ORDER = 4  # 16 bits each
REFCOUNTS = CLUSTER // 2  # in one block
_COPIED = 1 << 63  # "refcount is exactly one": may be written in place
_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_MAGIC, _VERSION = b"QFI\xfb", 3


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring clusters of the disk that hold data."""

    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everything is in the file, counted in clusters."""

    size_bytes: int
    runs: Sequence[Run]
    refcount_table_clusters: int
    refcount_blocks: int
    l1_clusters: int
    l2_tables: Sequence[int]  # the L1 entries that are in use
    data_clusters: int

    @property
    def l1_entries(self) -> int:
        """One for each 512 MiB of the disk."""
        return -(-self.size_bytes // (CLUSTER * L2_ENTRIES))

    @property
    def refcount_blocks_at(self) -> int:
        """After the header and the refcount table."""
        return 1 + self.refcount_table_clusters

    @property
    def l1_at(self) -> int:
        """After the refcounts."""
        return self.refcount_blocks_at + self.refcount_blocks

    @property
    def l2_at(self) -> int:
        """After the L1 table."""
        return self.l1_at + self.l1_clusters

    @property
    def data_at(self) -> int:
        """After all tables."""
        return self.l2_at + len(self.l2_tables)

    @property
    def clusters(self) -> int:
        """Of the whole file."""
        return self.data_at + self.data_clusters

    @property
    def length(self) -> int:
        """Of the whole file, in bytes."""
        return self.clusters * CLUSTER


def cluster_runs(extents: Iterable[Extent]) -> list[Run]:
    """The clusters that a disk's data touches; extents come in their order."""
    runs: list[Run] = []
    for extent in extents:
        if not extent.is_data:
            continue
        first, end = extent.start // CLUSTER, -(-extent.end // CLUSTER)
        if runs and first <= runs[-1].first + runs[-1].count:
            last = runs.pop()
            runs.append(Run(last.first, max(end, last.first + last.count) - last.first))
        else:
            runs.append(Run(first, end - first))
    return runs


def plan(size_bytes: int, runs: Sequence[Run]) -> Plan:
    """Lay the file out. Refcounts also count the clusters that hold them, so they grow until they fit."""
    tables = sorted(
        {
            table
            for run in runs
            for table in range(run.first // L2_ENTRIES, (run.first + run.count - 1) // L2_ENTRIES + 1)
        }
    )
    data = sum(run.count for run in runs)
    l1 = max(1, -(-size_bytes // (CLUSTER * L2_ENTRIES * L2_ENTRIES)))
    table_clusters = blocks = 1
    while True:
        total = 1 + table_clusters + blocks + l1 + len(tables) + data
        needed = -(-total // REFCOUNTS)
        table_needed = -(-needed // L2_ENTRIES)
        if (needed, table_needed) == (blocks, table_clusters):
            return Plan(size_bytes, runs, table_clusters, blocks, l1, tables, data)
        blocks, table_clusters = max(blocks, needed), max(table_clusters, table_needed)


def metadata(layout: Plan) -> Iterator[bytes]:
    """All that comes before the data, cluster by cluster."""
    yield _padded(_header(layout))
    blocks = range(layout.refcount_blocks_at, layout.refcount_blocks_at + layout.refcount_blocks)
    yield from _table([number * CLUSTER for number in blocks], layout.refcount_table_clusters)
    for number in range(layout.refcount_blocks):
        yield _padded(b"\0\1" * min(REFCOUNTS, layout.clusters - number * REFCOUNTS))
    l1 = [0] * layout.l1_entries
    for number, index in enumerate(layout.l2_tables):
        l1[index] = (layout.l2_at + number) * CLUSTER | _COPIED
    yield from _table(l1, layout.l1_clusters)
    yield from _l2_tables(layout)


def _header(layout: Plan) -> bytes:
    header = _HEADER.pack(
        _MAGIC, _VERSION, 0, 0, CLUSTER_BITS, layout.size_bytes, 0,  # no backing file, no encryption
        layout.l1_entries, layout.l1_at * CLUSTER,
        CLUSTER, layout.refcount_table_clusters,
        0, 0, 0, 0, 0,  # no snapshots, no features
        REFCOUNT_ORDER, _HEADER.size,
    )  # fmt: skip
    return header + bytes(8)  # the end of the header's extensions


def _table(entries: Iterable[int], clusters: int) -> Iterator[bytes]:
    numbers = array("Q", entries)
    if sys.byteorder == "little":
        numbers.byteswap()
    data = numbers.tobytes().ljust(clusters * CLUSTER, b"\0")
    for at in range(0, len(data), CLUSTER):
        yield data[at : at + CLUSTER]


def _l2_tables(layout: Plan) -> Iterator[bytes]:
    table, current = _empty(), -1
    place = layout.data_at
    for run in layout.runs:
        at, end = run.first, run.first + run.count
        while at < end:
            index, offset = divmod(at, L2_ENTRIES)
            if index != current and current >= 0:
                yield from _table(table, 1)
                table = _empty()
            current = index
            count = min(end - at, L2_ENTRIES - offset)
            first = place * CLUSTER | _COPIED
            table[offset : offset + count] = array("Q", range(first, first + count * CLUSTER, CLUSTER))
            at, place = at + count, place + count
    if current >= 0:
        yield from _table(table, 1)


def _empty() -> array[int]:
    return array("Q", bytes(CLUSTER))


def _padded(data: bytes) -> bytes:
    return data.ljust(CLUSTER, b"\0")


class Qcow2:
    """A disk as a qcow2 file that stands on nothing."""

    def __init__(self, disk: OpenDisk) -> None:
        self._disk = disk
        self._plan = plan(disk.size_bytes, cluster_runs(disk.extents()))
        self.length: int | None = self._plan.length
        self.total_bytes, self.done_bytes = self._plan.length, 0

    def chunks(self) -> Chunks:
        """The file."""
        for data in self._all():
            yield data
            self.done_bytes += len(data)

    def _all(self) -> Iterator[bytes]:
        yield from metadata(self._plan)
        yield from ahead(self._data())
        filled = self._disk.size_bytes % CLUSTER
        runs = self._plan.runs
        if filled and runs and (runs[-1].first + runs[-1].count) * CLUSTER > self._disk.size_bytes:
            yield bytes(CLUSTER - filled)

    def _data(self) -> Iterator[bytes]:
        for run in self._plan.runs:
            end = min((run.first + run.count) * CLUSTER, self._disk.size_bytes)
            for piece in self._disk.pieces(run.first * CLUSTER, end):
                yield piece.data if piece.data is not None else bytes(piece.length)
