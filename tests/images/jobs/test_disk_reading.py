"""A disk read through its layers: every byte as its machine sees it, holes as holes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.disk_reading import OpenDisk, ahead, layer_path, open_file, open_layer
from images.models import Image
from images.qemu import local_store
from netboot_site.errors import ConflictError
from tests.images.jobs.disks import MIB, add_version, content

SIZE = 16 * MIB


def read_all(disk: OpenDisk, start: int = 0, end: int | None = None) -> bytes:
    at, parts = start, []
    for piece in disk.pieces(start, end):
        assert piece.start == at, "the pieces do not follow one another"
        parts.append(bytes(piece.length) if piece.data is None else piece.data)
        assert len(parts[-1]) == piece.length
        at += piece.length
    return b"".join(parts)


def data_bytes(disk: OpenDisk) -> int:
    return sum(extent.length for extent in disk.extents() if extent.is_data)


@pytest.mark.django_db
def test_a_raw_layer_is_read_from_its_file(image: Image, layers_run_path: Path) -> None:
    writes = {0: b"boot", 5 * MIB: os.urandom(MIB)}
    version = add_version(image, writes)
    with open_layer(version.layer, "j1") as disk:
        assert local_store().observe() == {}
        assert read_all(disk) == content(SIZE, writes)
        assert data_bytes(disk) <= MIB + 2 * 4096


@pytest.mark.django_db
@pytest.mark.real_qemu_storage
def test_a_chain_is_read_through_all_its_layers_and_not_served_afterwards(image: Image) -> None:
    layers = [
        {0: b"one", 3 * MIB: os.urandom(2 * MIB)},
        {MIB: b"two", 4 * MIB: os.urandom(MIB)},
        {0: b"three", SIZE - 512: b"z" * 512},
    ]
    version = [add_version(image, writes) for writes in layers][-1]
    with open_layer(version.layer, "j1") as disk:
        assert list(local_store().observe()) == ["j1"]
        assert read_all(disk) == content(SIZE, *layers)
        assert data_bytes(disk) <= 4 * MIB, "holes of the chain are read as data"
        assert read_all(disk, 4 * MIB - 7, 4 * MIB + 9) == content(SIZE, *layers)[4 * MIB - 7 : 4 * MIB + 9]
    assert local_store().observe() == {}


@pytest.mark.django_db
def test_a_missing_file_is_told_without_its_path(image: Image) -> None:
    version = add_version(image, {})
    layer_path(version.layer).unlink()
    with pytest.raises(ConflictError, match=r"^The disk's file is missing on the storage node\.$"):
        open_layer(version.layer, "j1").__enter__()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disk") / "disk.raw"


@given(
    writes=st.dictionaries(st.integers(0, 60), st.integers(1, 5), max_size=6),
    sectors=st.integers(1, 520), short=st.integers(0, 40),
)  # fmt: skip
def test_any_file_is_read_to_the_disks_end_even_if_it_is_shorter(
    file: Path, writes: dict[int, int], sectors: int, short: int
) -> None:
    size = sectors * 512
    with file.open("wb") as target:
        for at, length in writes.items():
            target.seek(at * 4096)
            target.write(b"x" * length * 512)
        target.truncate(max(0, size - short * 512))
    with open_file(file, size) as disk:
        assert read_all(disk) == file.read_bytes().ljust(size, b"\0")
        extents = list(disk.extents())
    assert [e.start for e in extents] == [0, *(e.end for e in extents)][:-1]
    assert extents[-1].end == size


def test_reading_ahead_changes_nothing_and_passes_errors_on() -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the disk")

    assert list(ahead(iter(range(1, 100)))) == list(range(1, 100))
    numbers = ahead(broken())
    assert (next(numbers), next(numbers)) == (1, 2)
    with pytest.raises(OSError, match="the disk"):
        next(numbers)
