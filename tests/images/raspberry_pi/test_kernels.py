"""Kernels told by their contents, and the initramfs that goes with each."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from images.raspberry_pi.kernels import (
    Kernel,
    Named,
    initramfs_files,
    kernel_files,
    kernel_of,
    look_into,
    named_in,
)
from tests.pi.modules import Kernel as DebianKernel
from tests.pi.packages import pi_packages

V8 = Kernel("kernel8.img", "6.12.25+rpt-rpi-v8", 64)
PI5 = Kernel("kernel_2712.img", "6.12.25+rpt-rpi-2712", 64)
OLD = Kernel("kernel7l.img", "", 32)
DEBIAN = Kernel("vmlinuz-6.1.0-9-arm64", "6.1.0-9-arm64", 64)
NOTHING = Named((), ())


def fake(banner: bytes = b"", magic: bytes = b"ARM\x64") -> bytes:
    return bytes(56) + magic + bytes(1000) + banner + bytes(100)


@pytest.mark.parametrize("is_packed", [True, False])
def test_debians_kernel_tells_its_release(tmp_path: Path, is_packed: bool) -> None:
    kernel = DebianKernel(pi_packages())
    image = kernel.image.read_bytes()
    (tmp_path / "kernel").write_bytes(gzip.compress(image, 1) if is_packed else image)

    assert look_into("kernel8.img", tmp_path / "kernel", tmp_path) == Kernel(
        "kernel8.img", kernel.release, 64
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (fake(b"Linux version 6.12.25+rpt-rpi-v8 (serge@raspberrypi.com)"), V8),
        (fake(b"Linux version %s (%s)"), Kernel("kernel8.img", "", 64)),
        (fake(b"Linux version 6.1/../../x (a)"), Kernel("kernel8.img", "", 64)),
        (fake(), Kernel("kernel8.img", "", 64)),
        (bytes(0x24) + b"\x18\x28\x6f\x01" + bytes(99), Kernel("kernel8.img", "", 32)),
        (b"just a text", None),
        (b"", None),
    ],
)
def test_a_kernel_is_told_by_its_content(tmp_path: Path, data: bytes, expected: Kernel | None) -> None:
    (tmp_path / "file").write_bytes(data)

    assert look_into("kernel8.img", tmp_path / "file", tmp_path) == expected


def test_the_lines_of_config_txt_that_name_files() -> None:
    config = """\
    # kernel=commented.img
    auto_initramfs=1
    [pi4]
    kernel=vmlinuz-a   # the newest
    initramfs initrd.img-a,extra.cpio followkernel
    [pi5]
    initramfs initramfs_2712 followkernel
    [all]
    kernel_address=0x200000
    ramfsfile=other
    """

    named = named_in(config)

    assert named.kernels == ["vmlinuz-a"]
    assert named.initramfs == [
        ("initrd.img-a", "vmlinuz-a"), ("extra.cpio", "vmlinuz-a"), ("initramfs_2712", ""), ("other", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "release", "named", "expected"),
    [
        ("initramfs8", "", NOTHING, V8),
        ("initramfs_2712", "", NOTHING, PI5),
        ("initramfs7l", "", NOTHING, OLD),
        ("initrd.img-6.1.0-9-arm64", "", NOTHING, DEBIAN),
        ("initramfs8", "", Named((), (("initramfs8", "kernel_2712.img"),)), PI5),
        ("initramfs8", "", Named((), (("initramfs8", "gone.img"),)), V8),
        ("my-initramfs", "6.12.25+rpt-rpi-2712", NOTHING, PI5),
        ("my-initramfs", "6.0", NOTHING, None),
        ("my-initramfs", "", NOTHING, None),
    ],
)
def test_which_kernel_an_initramfs_is_loaded_with(
    file: str, release: str, named: Named, expected: Kernel | None
) -> None:
    assert kernel_of(file, release, [OLD, V8, PI5, DEBIAN], named) == expected


def test_files_of_usual_names_and_named_ones_are_looked_into() -> None:
    names = [
        "kernel8.img",
        "kernel7.img",
        "start.elf",
        "my-kernel",
        "initramfs8",
        "initrd.img-6",
        "my.cpio",
        "notes",
    ]
    named = Named(("my-kernel", "gone"), (("my.cpio", ""), ("gone", "")))

    assert kernel_files(names, named) == ["kernel7.img", "kernel8.img", "my-kernel"]
    assert initramfs_files(names, named) == ["initramfs8", "initrd.img-6", "my.cpio"]


def test_no_more_are_looked_into_than_a_partition_has() -> None:
    assert len(kernel_files((f"kernel{number}.img" for number in range(100)), NOTHING)) == 16
    assert len(initramfs_files((f"initramfs{number}" for number in range(100)), NOTHING)) == 16
