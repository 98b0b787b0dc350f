"""Our qcow2 writer: QEMU's own tools find the file sound and the same as the disk it was made from."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from images.disk_reading import Extent, open_file
from images.outgoing.qcow2 import (
    CLUSTER,
    L2_ENTRIES,
    REFCOUNTS,
    Plan,
    Qcow2,
    Run,
    cluster_runs,
    metadata,
    plan,
)

MIB = 1024 * 1024
TIB = 1024**4
L2_BYTES = CLUSTER * L2_ENTRIES


def spans(gaps: list[tuple[int, int]]) -> list[Run]:
    """Runs with these gaps before them."""
    runs, at = [], 0
    for gap, count in gaps:
        runs.append(Run(at + gap, count))
        at += gap + count
    return runs


any_runs = st.lists(st.tuples(st.integers(1, 3 * L2_ENTRIES), st.integers(1, 2 * L2_ENTRIES)), max_size=12)


@given(runs=any_runs.map(spans), more=st.integers(0, 100))
def test_every_part_of_the_file_has_its_place_and_is_counted(runs: list[Run], more: int) -> None:
    last = runs[-1].first + runs[-1].count if runs else 1
    layout = plan((last + more) * CLUSTER, runs)
    assert layout.data_clusters == sum(run.count for run in runs)
    assert layout.refcount_blocks * REFCOUNTS >= layout.clusters, "clusters without a refcount"
    assert (layout.refcount_blocks - 1) * REFCOUNTS < layout.clusters
    assert layout.refcount_table_clusters * L2_ENTRIES >= layout.refcount_blocks
    assert layout.l1_clusters * L2_ENTRIES >= layout.l1_entries
    assert all(table < layout.l1_entries for table in layout.l2_tables)
    assert sum(map(len, metadata(layout))) == layout.data_at * CLUSTER


@given(
    extents=st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 200_000), st.booleans()), max_size=20)
)
def test_the_clusters_are_those_that_data_touches(extents: list[tuple[int, int, bool]]) -> None:
    at, found, touched = 0, [], set()
    for gap, length, is_data in extents:
        found.append(Extent(at + gap, at + gap + length, is_data))
        at += gap + length
        if is_data:
            touched.update(range(found[-1].start // CLUSTER, -(-found[-1].end // CLUSTER)))
    runs = cluster_runs(found)
    assert {n for run in runs for n in range(run.first, run.first + run.count)} == touched
    assert sum(run.count for run in runs) == len(touched), "a cluster is written twice"
    assert all(a.first + a.count < b.first for a, b in itertools.pairwise(runs))


@pytest.mark.parametrize("size_bytes", [512, CLUSTER, L2_BYTES, L2_BYTES + 512, TIB, 16 * TIB])
def test_a_disk_of_any_size_has_a_plan(size_bytes: int) -> None:
    clusters = -(-size_bytes // CLUSTER)
    for runs in ([], [Run(0, clusters)], [Run(clusters - 1, 1)]):
        layout = plan(size_bytes, runs)
        assert layout.clusters >= layout.data_clusters + 4
        assert layout.length < 1.001 * layout.data_clusters * CLUSTER + 64 * MIB


def write(disk: Path, size_bytes: int, target: Path) -> None:
    with open_file(disk, size_bytes) as source, target.open("wb") as file:
        outgoing = Qcow2(source)
        for chunk in outgoing.chunks():
            file.write(chunk)
    assert outgoing.done_bytes == outgoing.total_bytes == outgoing.length == target.stat().st_size


def qemu(*words: str) -> Any:
    done = subprocess.run(["qemu-img", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words[0]}: {done.stdout} {done.stderr}"
    return json.loads(done.stdout) if "--output=json" in words else None


def check(disk: Path, target: Path) -> None:
    found = qemu("check", "--output=json", "-f", "qcow2", str(target))
    assert found["check-errors"] == 0
    assert not {"leaks", "corruptions"} & found.keys(), found
    qemu("compare", "-f", "raw", "-F", "qcow2", str(disk), str(target))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("qcow2")


def make(folder: Path, size_bytes: int, writes: dict[int, int]) -> Path:
    disk = folder / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(size_bytes)
        for at, length in writes.items():
            if at < size_bytes:
                file.seek(at)
                file.write(os.urandom(min(length, size_bytes - at)))
    return disk


@settings(max_examples=25)
@given(
    sectors=st.integers(1, 9000),
    writes=st.dictionaries(st.integers(0, 9000).map(lambda n: n * 512), st.integers(1, 200_000), max_size=6),
)
@example(sectors=1, writes={})
@example(sectors=1, writes={0: 512})
@example(sectors=129, writes={65536: 512})
def test_qemu_finds_it_sound_and_the_same(folder: Path, sectors: int, writes: dict[int, int]) -> None:
    disk, target = make(folder, sectors * 512, writes), folder / "disk.qcow2"
    write(disk, sectors * 512, target)
    check(disk, target)
    assert qemu("info", "--output=json", str(target))["virtual-size"] == sectors * 512


def test_a_terabyte_with_little_in_it_is_a_small_file(folder: Path) -> None:
    disk = make(folder, TIB, {0: MIB, 700 * 1024**3 + 4096: MIB, TIB - 512: 512, 3 * L2_BYTES - 512: 1024})
    target = folder / "disk.qcow2"
    write(disk, TIB, target)
    check(disk, target)
    assert target.stat().st_size < 5 * MIB


def test_tables_cross_the_borders_of_l2_and_of_refcount_blocks() -> None:
    runs = [Run(L2_ENTRIES - 3, 6), Run(5 * L2_ENTRIES, REFCOUNTS + 10)]
    layout: Plan = plan(TIB, runs)
    assert list(layout.l2_tables) == [0, 1, 5, 6, 7, 8, 9]
    assert layout.refcount_blocks == 2
    tables = list(metadata(layout))[layout.l2_at :]
    entries = [int.from_bytes(table[at : at + 8], "big") for table in tables for at in range(0, CLUSTER, 8)]
    hosts = [entry & ~(1 << 63) for entry in entries if entry]
    assert hosts == [(layout.data_at + n) * CLUSTER for n in range(layout.data_clusters)]
