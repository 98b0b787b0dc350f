"""The archive is read back by busybox's own cpio, as the kernel would read it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from netboot_site import cpio

BUSYBOX = "/bin/busybox"


def unpack(data: bytes, folder: Path) -> None:
    subprocess.run([BUSYBOX, "cpio", "-i", "-d"], input=data, cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 4096, 70001])
def test_a_file_of_any_length_comes_back_whole(tmp_path: Path, size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    unpack(cpio.archive([cpio.file("some/where/deep", data), cpio.file("after", b"it")]), tmp_path)
    assert (tmp_path / "some/where/deep").read_bytes() == data
    assert (tmp_path / "after").read_bytes() == b"it"


def test_a_program_may_be_executed_and_a_text_may_not(tmp_path: Path) -> None:
    unpack(cpio.archive([cpio.file("init", b"#!", executable=True), cpio.file("text", b"t")]), tmp_path)
    assert (tmp_path / "init").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "text").stat().st_mode & 0o777 == 0o644


def test_a_folder_on_the_way_is_written_once_and_before_its_files() -> None:
    data = cpio.archive([cpio.file("lib/a", b"a"), cpio.file("lib/b", b"b"), cpio.folder("lib")])
    assert data.count(b"lib\0") == 1
    assert data.index(b"lib\0") < data.index(b"lib/a\0") < data.index(b"lib/b\0")


def test_each_record_begins_on_a_multiple_of_four_bytes_and_the_trailer_ends_it() -> None:
    data = cpio.archive([cpio.file("odd", b"x"), cpio.file("name-of-other-length", b"yy")])
    starts = [at for at in range(len(data)) if data[at : at + 6] == b"070701"]
    assert len(starts) == 3
    assert [at % 4 for at in starts] == [0, 0, 0]
    assert data.rstrip(b"\0").endswith(b"TRAILER!!!")


def test_the_console_device_has_its_numbers() -> None:
    data = cpio.archive([cpio.character_device("dev/console", 5, 1)])
    header = data[data.index(b"dev/console\0") - 110 :][:110]
    assert (int(header[78:86], 16), int(header[86:94], 16)) == (5, 1)
    assert int(header[14:22], 16) == 0o020600


def test_a_symbolic_link_leads_to_its_target(tmp_path: Path) -> None:
    data = cpio.archive([cpio.link("lib", "usr/lib"), cpio.file("usr/lib/here", b"found")])

    subprocess.run(["cpio", "-id", "--quiet"], input=data, cwd=tmp_path, check=True)

    assert (tmp_path / "lib").readlink() == Path("usr/lib")
    assert (tmp_path / "lib/here").read_bytes() == b"found"
