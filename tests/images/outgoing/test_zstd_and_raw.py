"""A disk as `.zst` and as raw bytes: whole, in parts, and quickly over holes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.disk_reading import Extent, OpenDisk, Piece, open_file
from images.outgoing import zstd
from images.outgoing.raw import Raw, zeros
from images.outgoing.zstd import FRAME_BYTES, Zstd, parts
from netboot_site.errors import UnavailableError

MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[OpenDisk]:
    """200 MiB with data at both ends of a large hole, and small holes between."""
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        for at in (0, 3 * MIB, 5 * MIB, 199 * MIB + 512):
            file.seek(at)
            file.write(os.urandom(MIB // 2))
        file.truncate(200 * MIB)
    with open_file(path, 200 * MIB) as opened:
        yield opened


def unpacked(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout


def test_what_zstd_unpacks_is_the_disk(disk: OpenDisk) -> None:
    outgoing = Zstd(disk)
    packed = b"".join(outgoing.chunks())
    assert unpacked(packed) == disk.read(0, 200 * MIB)
    assert len(packed) < 3 * MIB
    assert outgoing.done_bytes == outgoing.total_bytes == 200 * MIB


def test_a_sparse_terabyte_takes_moments(tmp_path: Path) -> None:
    path = tmp_path / "large.raw"
    path.touch()
    with open_file(path, 1024**4) as disk:
        frames = list(Zstd(disk).chunks())
    assert len(frames) == 1024**4 // FRAME_BYTES
    assert unpacked(frames[0]) == bytes(FRAME_BYTES)


@given(st.lists(st.tuples(st.integers(1, 5 * FRAME_BYTES), st.booleans()), max_size=10))
def test_parts_cover_the_disk_and_zeros_come_in_whole_frames(lengths: list[tuple[int, bool]]) -> None:
    extents, at = [], 0
    for length, is_data in lengths:
        extents.append(Extent(at, at + length, is_data))
        at += length
    found = list(parts(extents))
    assert [part.start for part in found] == [0, *(part.end for part in found)][: len(found)]
    assert (found[-1].end if found else 0) == at
    holes = {(extent.start, extent.end) for extent in extents if not extent.is_data}
    for part in found:
        if not part.is_data:
            assert part.length % FRAME_BYTES == 0
            assert any(start <= part.start and part.end <= end for start, end in holes)


def test_a_receiver_that_leaves_ends_the_program(disk: OpenDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    start = zstd.start_filter
    monkeypatch.setattr(zstd, "start_filter", lambda argv: started.append(start(argv)) or started[-1])
    chunks = Zstd(disk).chunks()
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert started[0].returncode is not None


def test_a_disk_that_cannot_be_read_is_no_short_file(disk: OpenDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> Iterator[Piece]:
        yield Piece(0, 4, b"abcd")
        raise OSError("the disk is broken")

    monkeypatch.setattr(disk, "pieces", broken)
    with pytest.raises(OSError, match="the disk is broken"):
        list(Zstd(disk).chunks())


def test_a_program_that_fails_is_told(disk: OpenDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zstd, "ARGV", ("false",))
    with pytest.raises(UnavailableError, match="zstd failed"):
        list(Zstd(disk).chunks())


@pytest.mark.parametrize(
    ("start", "end"), [(0, 200 * MIB), (7, 8), (3 * MIB - 5, 6 * MIB + 1), (199 * MIB, 200 * MIB)]
)
def test_any_part_of_a_raw_disk_is_its_bytes(disk: OpenDisk, start: int, end: int) -> None:
    outgoing = Raw(disk, start, end)
    assert b"".join(outgoing.chunks()) == disk.read(start, end - start)
    assert outgoing.length == outgoing.done_bytes == end - start


@pytest.mark.parametrize("length", [0, 1, MIB - 1, MIB, 3 * MIB + 7])
def test_zeros_are_so_many(length: int) -> None:
    assert b"".join(zeros(length)) == bytes(length)
