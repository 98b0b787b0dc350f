"""Kernel modules read from a disk's root file system, which may hold anything."""

from __future__ import annotations

import lzma
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from images.raspberry_pi.ext import Ext
from images.raspberry_pi.modules import Found, in_load_order, module_name, parse_list, read_modules

RELEASE = "6.1.0-test"
LIST = """\
kernel/scsi/scsi_mod.ko.xz:
kernel/scsi/libiscsi.ko.xz: kernel/scsi/scsi_mod.ko.xz
kernel/scsi/iscsi_tcp.ko.xz: kernel/scsi/libiscsi.ko.xz kernel/scsi/scsi_mod.ko.xz
"""
Make = Callable[..., Ext]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a root file system with modules, after `change` has changed its files."""

    def made(change: Callable[[Path], object] = lambda folder: None, listed: str = LIST) -> Ext:
        folder = tmp_path / "root/usr/lib/modules" / RELEASE
        folder.mkdir(parents=True)
        (folder / "modules.dep").write_text(listed)
        for name in ("scsi_mod", "libiscsi", "iscsi_tcp"):
            path = folder / "kernel/scsi" / f"{name}.ko.xz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(lzma.compress(b"\x7fELF" + name.encode()))
        (tmp_path / "root/lib").symlink_to("usr/lib")
        change(folder)
        disk = tmp_path / "root.ext4"
        argv = ["mke2fs", "-q", "-t", "ext4", "-d", str(tmp_path / "root"), str(disk), "16M"]
        subprocess.run(argv, check=True, timeout=30)
        return Ext(disk, 0)

    return made


def names(found: Found) -> list[str]:
    return [name for name, _ in found.modules]


def test_each_module_comes_after_what_it_needs_and_unpacked(make: Make, tmp_path: Path) -> None:
    found = read_modules(make(), RELEASE, tmp_path)

    assert found.fault == ""
    assert names(found) == ["scsi_mod.ko", "libiscsi.ko", "iscsi_tcp.ko"]
    assert found.modules[0][1] == b"\x7fELFscsi_mod"


def test_a_root_that_is_not_merged_into_usr_is_read_too(make: Make, tmp_path: Path) -> None:
    def unmerge(folder: Path) -> None:
        root = tmp_path / "root"
        (root / "lib").unlink()
        shutil.move(root / "usr/lib", root / "lib")

    assert names(read_modules(make(unmerge), RELEASE, tmp_path))[-1] == "iscsi_tcp.ko"


@pytest.mark.parametrize("target", ["/etc/hostname", "../../../../../../../etc/hostname", "iscsi_tcp.ko.xz"])
def test_a_link_in_the_place_of_a_module_is_followed_nowhere(make: Make, tmp_path: Path, target: str) -> None:
    def link(folder: Path) -> None:
        (folder / "kernel/scsi/libiscsi.ko.xz").unlink()
        (folder / "kernel/scsi/libiscsi.ko.xz").symlink_to(target)

    found = read_modules(make(link), RELEASE, tmp_path)

    assert names(found) == ["scsi_mod.ko", "iscsi_tcp.ko"]
    assert found.fault == "some of them cannot be read: libiscsi"


def test_a_folder_of_modules_that_links_out_stays_in_its_file_system(make: Make, tmp_path: Path) -> None:
    """The link leads to this machine's own folder of that name, which the file system does not have."""
    outside = tmp_path / "outside"
    (outside / "scsi").mkdir(parents=True)
    (outside / "scsi/iscsi_tcp.ko.xz").write_bytes(lzma.compress(b"\x7fELFoutside"))

    def link(folder: Path) -> None:
        shutil.rmtree(folder / "kernel")
        (folder / "kernel").symlink_to(outside)

    found = read_modules(make(link), RELEASE, tmp_path)

    assert found.modules == []
    assert "cannot be read" in found.fault


@pytest.mark.parametrize(
    "path",
    [
        "../../../../etc/passwd", "kernel/../../../etc/passwd", "/etc/passwd", 'a".ko', "a;b.ko",
        "kernel/$(id).ko", "kernel//a.ko", "kernel/\x1b.ko",
    ],
)  # fmt: skip
def test_a_listed_path_that_is_not_plain_is_passed_over(path: str) -> None:
    listed = parse_list(f"{path}:\nkernel/a.ko: {path}\nkernel/b.ko:\n".encode())

    assert listed == {"b": ["kernel/b.ko"]}


def test_a_module_that_unpacks_without_end_is_left_out(make: Make, tmp_path: Path) -> None:
    def bomb(folder: Path) -> None:
        data = lzma.compress(b"\x7fELF" + bytes(200_000_000), preset=0)
        (folder / "kernel/scsi/libiscsi.ko.xz").write_bytes(data)

    found = read_modules(make(bomb), RELEASE, tmp_path)

    assert names(found) == ["scsi_mod.ko", "iscsi_tcp.ko"]
    assert "libiscsi" in found.fault


def test_a_module_that_is_none_is_left_out(make: Make, tmp_path: Path) -> None:
    def spoil(folder: Path) -> None:
        (folder / "kernel/scsi/scsi_mod.ko.xz").write_bytes(b"#!/bin/sh\n")

    assert "scsi_mod" in read_modules(make(spoil), RELEASE, tmp_path).fault


def test_a_kernel_without_iscsi_is_said(make: Make, tmp_path: Path) -> None:
    found = read_modules(make(listed="kernel/scsi/scsi_mod.ko.xz:\n"), RELEASE, tmp_path)

    assert found.fault == "the kernel was made without iscsi_tcp"


def test_a_kernel_that_has_it_built_in_needs_no_module(make: Make, tmp_path: Path) -> None:
    def build_in(folder: Path) -> None:
        (folder / "modules.builtin").write_text("kernel/drivers/scsi/iscsi_tcp.ko\n")

    found = read_modules(make(build_in, listed="kernel/scsi/scsi_mod.ko.xz:\n"), RELEASE, tmp_path)

    assert found.fault == ""


def test_without_a_list_or_a_folder_it_says_which(make: Make, tmp_path: Path) -> None:
    root = make(lambda folder: (folder / "modules.dep").unlink())

    assert "modules.dep is missing" in read_modules(root, RELEASE, tmp_path).fault
    assert "none for that kernel" in read_modules(root, "6.2", tmp_path).fault


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("kernel/a/crc32c-generic.ko.xz", "crc32c_generic"),
        ("b.ko", "b"),
        ("x/y.ko.zst", "y"),
        ("z.ko.gz", "z"),
    ],
)
def test_a_module_is_named_as_the_kernel_spells_it(path: str, name: str) -> None:
    assert module_name(path) == name


@given(st.binary(max_size=400))
def test_any_list_is_read_to_its_end(data: bytes) -> None:
    listed = parse_list(data)

    assert set(in_load_order(listed, listed)) == {path for paths in listed.values() for path in paths}


@pytest.mark.parametrize("path", ["relative", "/a b", '/a"b', "/a\nquit", "/../etc", "/a/../b", ""])
def test_debugfs_is_asked_for_plain_paths_only(make: Make, path: str) -> None:
    root = make()

    assert root.read(path, 1000) == b""
    assert root.names(path) == []


def test_what_is_no_file_system_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"\xa5" * 100_000)

    assert Ext(tmp_path / "noise", 1024).names("/") == []
