"""Boot partitions that lie, are damaged, or have not what it takes: said in a sentence, no harm done."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from images.raspberry_pi.boot_partition import MOST_FILES
from images.raspberry_pi.initiator import Initiator
from images.raspberry_pi.reading import BootBundle, read_boot_files
from netboot_site.errors import ValidationError
from tests.images.raspberry_pi.conftest import Read
from tests.pi.harm import BootFat, damage_root
from tests.pi.image import BOOT_START_BYTES, pi_image
from tests.pi.options import PiImageOptions

START4 = b"START4  ELF"
START = b"START   ELF"
CONFIG = b"CONFIG  TXT"
OVERLAYS = b"OVERLAYS   "


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """Without an initramfs, whose iSCSI takes longer to add than all the rest to read."""
    made = tmp_path / "disk.img"
    pi_image(made, PiImageOptions(has_initramfs=False))
    return made


@pytest.fixture
def whole_disk(tmp_path: Path) -> Path:
    made = tmp_path / "whole.img"
    pi_image(made)
    return made


def add(disk: Path, name: str, data: bytes, folder: Path) -> None:
    source = folder / "added"
    source.write_bytes(data)
    argv = ["mcopy", "-D", "o", "-i", f"{disk}@@{BOOT_START_BYTES}", str(source), f"::/{name}"]
    subprocess.run(argv, check=True, timeout=20, stdin=subprocess.DEVNULL)


def remove(disk: Path, *names: str) -> None:
    for name in names:
        argv = ["mdel", "-i", f"{disk}@@{BOOT_START_BYTES}", f"::/{name}"]
        subprocess.run(argv, check=True, timeout=20)


def warning(found: BootBundle, word: str) -> str:
    said = [one for one in found.facts["warnings"] if word in one]
    assert said, f"nothing is said of {word!r}: {found.facts['warnings']}"
    return said[0]


@pytest.mark.parametrize("size_bytes", [2_500_000, 100_000_000])
def test_a_file_that_says_it_is_larger_than_its_clusters_is_left_out(
    disk: Path, read: Read, size_bytes: int
) -> None:
    BootFat(disk).lie_about_size(START4, size_bytes)

    found = read(disk)

    assert "start4.elf" not in found.files
    assert "start4.elf is damaged" in warning(found, "start4.elf")
    assert "start.elf" in found.files


def test_a_file_that_says_it_is_huge_is_left_out(disk: Path, read: Read) -> None:
    BootFat(disk).lie_about_size(START4, 0xFFFFFFFF)

    found = read(disk)

    assert "start4.elf" not in found.files
    assert "128 MiB" in warning(found, "start4.elf")


def test_a_file_that_says_it_is_smaller_than_its_clusters_is_left_out(disk: Path, read: Read) -> None:
    BootFat(disk).lie_about_size(START4, 1)

    assert "start4.elf" not in read(disk).files


def test_a_chain_of_clusters_that_is_a_ring_ends(disk: Path, read: Read) -> None:
    fat = BootFat(disk)
    first = fat.first_cluster(START4)
    fat.chain(first + 1, first)

    found = read(disk)

    assert "start4.elf" not in found.files
    assert "kernel8.img" in found.files


def test_a_folder_that_is_its_own_root_is_read_once(disk: Path, read: Read) -> None:
    fat = BootFat(disk)
    fat.start_at(OVERLAYS, fat.root)

    found = read(disk)

    assert "kernel8.img" in found.files
    assert len(found.files) < 100, sorted(found.files)


def test_a_folder_whose_chain_is_a_ring_is_left_out(disk: Path, read: Read) -> None:
    fat = BootFat(disk)
    first = fat.first_cluster(OVERLAYS)
    fat.chain(first, first)

    found = read(disk)

    assert "The folder overlays is damaged" in warning(found, "overlays")
    assert "kernel8.img" in found.files


def test_a_root_folder_that_is_a_ring_says_that_the_partition_is_damaged(
    disk: Path, tmp_path: Path, initiator: Initiator
) -> None:
    fat = BootFat(disk)
    fat.chain(fat.root, fat.root)

    with pytest.raises(ValidationError, match="boot partition is damaged") as raised:
        read_boot_files(disk, tmp_path, initiator, lambda done, total: None)

    assert str(tmp_path) not in str(raised.value)


def test_a_full_partition_is_read_whole(tmp_path: Path, read: Read) -> None:
    pi_image(tmp_path / "full.img", PiImageOptions(is_full=True))

    found = read(tmp_path / "full.img")

    assert found.files["filler"].stat().st_size > 10_000_000
    assert found.facts["warnings"] == []
    assert found.facts["initramfs"][0]["iscsi"] == "added", "what is added needs no room on the disk"


def test_without_a_kernel_it_says_so(tmp_path: Path, read: Read) -> None:
    pi_image(tmp_path / "none.img", PiImageOptions(has_kernel=False))

    found = read(tmp_path / "none.img")

    assert found.facts["kernels"] == []
    assert "has no kernel" in warning(found, "kernel")


def test_without_an_initramfs_it_says_so(tmp_path: Path, read: Read) -> None:
    pi_image(tmp_path / "none.img", PiImageOptions(has_initramfs=False))

    found = read(tmp_path / "none.img")

    assert found.facts["initramfs"] == []
    assert "update-initramfs" in warning(found, "has no initramfs")


def test_kernels_of_32_bits_alone_are_said_to_be_of_no_use(disk: Path, tmp_path: Path, read: Read) -> None:
    remove(disk, "kernel8.img")
    add(disk, "kernel7.img", bytes(0x24) + b"\x18\x28\x6f\x01" + bytes(100), tmp_path)

    found = read(disk)

    assert [one["bits"] for one in found.facts["kernels"]] == [32]
    assert "64-bit Raspberry Pi OS" in warning(found, "32 bits")


def test_a_kernel_of_another_release_finds_no_modules(tmp_path: Path, read: Read) -> None:
    pi_image(tmp_path / "other.img", PiImageOptions(kernel_release="6.2.0-99-arm64"))

    found = read(tmp_path / "other.img")

    assert found.facts["initramfs"][0]["release"] == "6.2.0-99-arm64"
    assert "has none for that kernel" in warning(found, "6.2.0-99-arm64")


def test_a_damaged_root_file_system_is_said(whole_disk: Path, read: Read) -> None:
    damage_root(whole_disk)

    found = read(whole_disk)

    assert "kernel8.img" in found.files
    assert "Kernel modules for initramfs8" in warning(found, "modules")


@pytest.mark.parametrize("name", ["kernel8.img", "initramfs8"])
@pytest.mark.parametrize(
    "harm",
    [lambda data: data[: len(data) // 2], lambda data: data[:1000] + b"\xff" * 5000 + data[6000:]],
    ids=["cut off", "overwritten"],
)
def test_a_damaged_kernel_or_initramfs_is_said(
    whole_disk: Path, tmp_path: Path, read: Read, name: str, harm: Callable[[bytes], bytes]
) -> None:
    argv = ["mcopy", "-i", f"{whole_disk}@@{BOOT_START_BYTES}", f"::/{name}", str(tmp_path / "good")]
    subprocess.run(argv, check=True, timeout=20)
    add(whole_disk, name, harm((tmp_path / "good").read_bytes()), tmp_path)

    found = read(whole_disk)

    assert re.search(rf"{name} cannot be read: it .*(damaged|cut off|archive)", warning(found, name))


@pytest.mark.parametrize("packer", ["gzip", "xz", "zstd", "lz4"])
def test_an_initramfs_that_unpacks_without_end_is_looked_into_no_further(
    whole_disk: Path, tmp_path: Path, read: Read, packer: str
) -> None:
    argv = {"gzip": ["gzip", "-1c"], "xz": ["xz", "-0c"], "zstd": ["zstd", "-1c"], "lz4": ["lz4", "-lc"]}[
        packer
    ]
    zeros = subprocess.Popen(["head", "-c", "600M", "/dev/zero"], stdout=subprocess.PIPE)
    bomb = subprocess.run(argv, stdin=zeros.stdout, capture_output=True, check=True, timeout=60).stdout
    add(whole_disk, "initramfs8", bomb, tmp_path)

    found = read(whole_disk)

    assert "256 MiB" in warning(found, "initramfs8")
    assert found.facts["initramfs"][0]["iscsi"] == "missing"


def test_names_that_no_path_should_have_are_left_out(disk: Path, tmp_path: Path, read: Read) -> None:
    for name in ("with space.txt", "quo'te.txt", "dollar$.txt", "um-laut-\u00e4.txt"):
        add(disk, name, b"x", tmp_path)

    found = read(disk)

    assert all(re.fullmatch(r"[A-Za-z0-9._+@/-]+", path) for path in found.files), sorted(found.files)
    assert "4 files with an unusual name" in warning(found, "unusual")


@pytest.mark.parametrize("evil", ["../evil.txt", "/etc/evil", "..", "a/b"])
def test_a_name_that_leads_elsewhere_is_left_out(disk: Path, tmp_path: Path, read: Read, evil: str) -> None:
    add(disk, "longenoughfile.txt", b"x", tmp_path)
    old, new = "longenoughfile.txt".encode("utf-16-le"), evil.ljust(18, "\0").encode("utf-16-le")
    data = bytearray(disk.read_bytes())
    pieces = [(0, 10), (10, 22), (22, 26), (26, 36)]  # 5 + 6 + 2 signs, then the next part's 5
    for start, end in pieces:
        at = data.find(old[start:end], BOOT_START_BYTES)
        data[at : at + end - start] = new[start:end]
    disk.write_bytes(data)

    found = read(disk)

    assert not [path for path in found.files if "evil" in path or ".." in path or path.startswith("/")]
    assert all(path.is_relative_to(tmp_path / "work") for path in found.files.values())


def test_more_files_than_a_boot_partition_has_are_refused(
    disk: Path, tmp_path: Path, initiator: Initiator
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(MOST_FILES):
        (folder / f"f{number}").touch()
    argv = ["mcopy", "-s", "-i", f"{disk}@@{BOOT_START_BYTES}", str(folder), "::/"]
    subprocess.run(argv, check=True, timeout=60)

    with pytest.raises(ValidationError, match="more than 1000 files"):
        read_boot_files(disk, tmp_path, initiator, lambda done, total: None)


def test_a_cmdline_of_many_lines_and_strange_signs_becomes_one_line(
    disk: Path, tmp_path: Path, read: Read
) -> None:
    add(
        disk,
        "cmdline.txt",
        b"\n\n  root=LABEL=rootfs\tquiet\0\x1b[2J \r\nroot=/dev/sdb1 init=/bin/sh\n",
        tmp_path,
    )

    found = read(disk)

    assert found.facts["cmdline"] == "root=LABEL=rootfs quiet[2J"
    assert found.facts["root"] == "LABEL=rootfs"


@pytest.mark.parametrize("name", ["config.txt", "cmdline.txt"])
def test_settings_of_ten_megabytes_are_not_taken_up(
    disk: Path, tmp_path: Path, read: Read, name: str
) -> None:
    add(disk, name, b"dtparam=audio=on\n" * 600_000, tmp_path)

    found = read(disk)

    assert found.facts["config" if name == "config.txt" else "cmdline"] == ""
    assert "was not read" in warning(found, name)


def test_a_root_named_as_a_memory_cards_is_named_by_what_stays(
    disk: Path, tmp_path: Path, read: Read
) -> None:
    add(disk, "cmdline.txt", b"console=tty1 root=/dev/mmcblk0p2 rootwait\n", tmp_path)

    found = read(disk)

    assert re.fullmatch(r"UUID=[0-9a-f-]{36}", found.facts["root"]), found.facts["root"]


def test_names_without_end_are_refused(disk: Path, tmp_path: Path, initiator: Initiator) -> None:
    """A folder of two megabytes of names that nothing would ask for."""
    fat = BootFat(disk)
    first, clusters = 100_002, 4096
    with disk.open("r+b") as writer:
        writer.seek(fat.data + (first - 2) * 512)
        writer.write((b"NAME    $$$\x20" + bytes(20)) * (clusters * 16))
    for cluster in range(first, first + clusters - 1):
        fat.chain(cluster, cluster + 1)
    fat.chain(first + clusters - 1, 0x0FFFFFFF)
    fat.start_at(OVERLAYS, first)

    with pytest.raises(ValidationError, match="more than 1000 files"):
        read_boot_files(disk, tmp_path, initiator, lambda done, total: None)
