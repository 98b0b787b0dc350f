"""The reader of FAT file systems beside mtools, and against file systems that are none."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from images.raspberry_pi.fat import Fat, FatError

OFFSET = 4096
SIZES = {"12": (2 * 1024**2, []), "16": (32 * 1024**2, []), "32": (48 * 1024**2, ["-F"])}


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, timeout=30, capture_output=True)


def made(tmp_path: Path, kind: str) -> tuple[Path, int, dict[str, bytes]]:
    """A file system of a type with files of many sizes, somewhere inside a disk."""
    size, words = SIZES[kind]
    disk = tmp_path / f"fat{kind}.img"
    disk.write_bytes(bytes(OFFSET + size))
    partition = f"{disk}@@{OFFSET}"
    run("mformat", "-i", partition, *words, "-T", str(size // 512), "-h", "16", "-s", "32", "::")
    run("mmd", "-i", partition, "::/overlays", "::/overlays/deeper")
    noise = random.Random(kind)
    contents = {
        name: noise.randbytes(length)
        for name, length in {
            "empty": 0, "one.bin": 1, "config.txt": 511, "kernel8.img": 300_000, "README": 512,
            "a-name-that-is-longer-than-thirteen-signs.dtbo": 4097, "overlays/vc4-kms-v3d.dtbo": 2049,
            "overlays/deeper/UPPER.TXT": 7, "MixedCase.Txt": 9,
        }.items()
    }  # fmt: skip
    for name, data in contents.items():
        (tmp_path / "source").write_bytes(data)
        run("mcopy", "-i", partition, str(tmp_path / "source"), f"::/{name}")
    return disk, size, contents


def everything(fat: Fat, folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    waiting = [("", fat.root())]
    while waiting:
        path, entries = waiting.pop()
        for entry in entries:
            if entry.is_folder:
                waiting.append((f"{path}{entry.name}/", fat.folder(entry.cluster)))
            else:
                fat.copy(entry, folder / "copy")
                found[f"{path}{entry.name}"] = (folder / "copy").read_bytes()
    return found


@pytest.mark.parametrize("kind", SIZES)
def test_all_that_mtools_wrote_is_read_back(tmp_path: Path, kind: str) -> None:
    disk, size, contents = made(tmp_path, kind)

    with disk.open("rb") as opened:
        found = everything(Fat(opened, OFFSET, size), tmp_path)

    # A short name in capitals with an extension is asked for in lower case by a firmware.
    contents["overlays/deeper/upper.txt"] = contents.pop("overlays/deeper/UPPER.TXT")
    assert found == contents


@pytest.mark.parametrize("kind", SIZES)
def test_a_fragmented_file_is_read_whole(tmp_path: Path, kind: str) -> None:
    disk, size, _ = made(tmp_path, kind)
    partition = f"{disk}@@{OFFSET}"
    for number in range(8):
        (tmp_path / "source").write_bytes(bytes([number]) * 20_000)
        run("mcopy", "-i", partition, str(tmp_path / "source"), f"::/hole{number}")
    run("mdel", "-i", partition, "::/hole1", "::/hole3", "::/hole5")
    data = random.Random(7).randbytes(120_000)
    (tmp_path / "source").write_bytes(data)
    run("mcopy", "-i", partition, str(tmp_path / "source"), "::/scattered")

    with disk.open("rb") as opened:
        assert everything(Fat(opened, OFFSET, size), tmp_path)["scattered"] == data


@pytest.mark.parametrize(
    ("at", "data"),
    [
        (11, b"\0\0"), (11, b"\xff\xff"), (13, b"\0"), (13, b"\x03"), (14, b"\0\0"), (16, b"\0"),
        (16, b"\xff"), (36, b"\xff\xff\xff\xff"), (36, b"\0\0\0\0"), (44, b"\xff\xff\xff\x0f"),
    ],
)  # fmt: skip
def test_a_first_sector_that_lies_is_refused(tmp_path: Path, at: int, data: bytes) -> None:
    disk, size, _ = made(tmp_path, "32")
    changed = bytearray(disk.read_bytes())
    changed[OFFSET + at : OFFSET + at + len(data)] = data
    disk.write_bytes(changed)

    with disk.open("rb") as opened:
        try:
            found = Fat(opened, OFFSET, size).root()
        except FatError:
            return
    assert found == [], "something was found where nothing is"


def test_a_file_system_larger_than_its_partition_reaches_nothing_behind_it(tmp_path: Path) -> None:
    disk, size, _ = made(tmp_path, "16")

    with disk.open("rb") as opened:
        fat = Fat(opened, OFFSET, size // 64)
        with pytest.raises(FatError):
            everything(fat, tmp_path)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    st.lists(st.tuples(st.integers(0, 300_000), st.binary(min_size=1, max_size=8)), min_size=1, max_size=30)
)
def test_whatever_is_changed_it_ends_and_stays_inside(
    tmp_path: Path, changes: list[tuple[int, bytes]]
) -> None:
    kept = tmp_path / "kept"
    if not kept.exists():
        kept.write_bytes(made(tmp_path, "12")[0].read_bytes())
    data = bytearray(kept.read_bytes())
    for at, change in changes:
        data[OFFSET + at : OFFSET + at + len(change)] = change
    disk = tmp_path / "changed"
    disk.write_bytes(data)
    with disk.open("rb") as opened:
        try:
            fat = Fat(opened, OFFSET, SIZES["12"][0])
            entries = fat.root()
        except FatError:
            return
        for entry in entries[:20]:
            try:
                if entry.is_folder:
                    fat.folder(entry.cluster)
                else:
                    fat.copy(entry, tmp_path / "copy")
                    assert (tmp_path / "copy").stat().st_size == entry.size_bytes
            except FatError:
                continue
