"""What is read from a disk laid out as Raspberry Pi OS is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from images.raspberry_pi.initiator import Initiator
from images.raspberry_pi.reading import read_boot_files
from tests.images.raspberry_pi.conftest import Read
from tests.pi.image import BOOT_START_BYTES, pi_image
from tests.pi.modules import Kernel
from tests.pi.options import CMDLINE, CONFIG, ROOT, PiImageOptions
from tests.pi.packages import pi_packages


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "disk.img"


@pytest.fixture(scope="module")
def release() -> str:
    return Kernel(pi_packages()).release


def by_mtools(disk: Path, folder: Path) -> dict[str, bytes]:
    """All files of the boot partition, as another program reads them."""
    folder.mkdir()
    partition = f"{disk}@@{BOOT_START_BYTES}"
    subprocess.run(["mcopy", "-s", "-i", partition, "::/", str(folder)], check=True, timeout=60)
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for name, path in found.items()}


def unpacked(initramfs: bytes, folder: Path) -> set[str]:
    """The names in what was added to a stock initramfs."""
    folder.mkdir(exist_ok=True)
    plain = subprocess.run(["gzip", "-dc"], input=initramfs, capture_output=True, check=True).stdout
    subprocess.run(["cpio", "-id", "--quiet"], input=plain, cwd=folder, check=True)
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_every_file_but_the_initramfs_is_as_it_is_on_the_disk(disk: Path, tmp_path: Path, read: Read) -> None:
    pi_image(disk)
    expected = by_mtools(disk, tmp_path / "mtools")

    found = {path: file.read_bytes() for path, file in read(disk).files.items()}

    assert found.keys() == expected.keys()
    assert [path for path in found if found[path] != expected[path]] == ["initramfs8"]


def test_the_initramfs_goes_on_with_the_segment_behind_the_stock_one(
    disk: Path, tmp_path: Path, read: Read, release: str
) -> None:
    pi_image(disk)
    stock = by_mtools(disk, tmp_path / "mtools")["initramfs8"]

    found = read(disk).files["initramfs8"].read_bytes()

    assert found.startswith(stock)
    added = found[len(stock) :].lstrip(b"\0")
    zeros = len(found) - len(stock) - len(added)
    assert zeros >= 4, "lz4 would not see its end"
    assert (len(stock) + zeros) % 4 == 0, "the kernel would not see the segment"
    names = unpacked(added, tmp_path / "segment")
    assert {"scripts/netboot", "netboot/busybox", "netboot/iscsistart", "netboot/lib/libc.so.6"} <= names
    order = (tmp_path / "segment/netboot/modules" / release / "order").read_text().splitlines()
    assert {"iscsi_tcp.ko", "sd_mod.ko", "ext4.ko", "smsc95xx.ko", "lan78xx.ko", "genet.ko"} <= set(order)
    assert order.index("libiscsi.ko") < order.index("iscsi_tcp.ko")
    modules = [tmp_path / "segment/netboot/modules" / release / name for name in order]
    assert {path.read_bytes()[:4] for path in modules} == {b"\x7fELF"}, "a module is still packed"


def test_the_facts_of_a_stock_disk(disk: Path, read: Read, release: str) -> None:
    pi_image(disk)

    facts = read(disk).facts

    assert facts == {
        "cmdline": CMDLINE,
        "config": CONFIG,
        "kernels": [{"file": "kernel8.img", "release": release, "bits": 64}],
        "initramfs": [{"file": "initramfs8", "release": release, "iscsi": "added"}],
        "root": ROOT,
        "warnings": [],
    }


def test_each_kernel_gets_the_modules_of_its_own_release(
    disk: Path, tmp_path: Path, read: Read, release: str
) -> None:
    pi_image(disk, PiImageOptions(second_kernel=True, old_kernels=True, compression="gzip"))
    stock = by_mtools(disk, tmp_path / "mtools")

    found = read(disk)

    second = next(one["release"] for one in found.facts["kernels"] if one["file"] == "kernel_2712.img")
    assert second not in {release, ""}
    assert [(one["file"], one["release"]) for one in found.facts["initramfs"]] == [
        ("initramfs8", release),
        ("initramfs_2712", second),
    ]
    assert found.facts["warnings"] == []
    for name, own in (("initramfs8", release), ("initramfs_2712", second)):
        added = found.files[name].read_bytes()[len(stock[name]) :].lstrip(b"\0")
        names = unpacked(added, tmp_path / name)
        assert {one for one in names if one.count("/") == 2 and "modules" in one} == {
            f"netboot/modules/{own}"
        }


def test_an_initramfs_of_32_bits_is_left_as_it_is(disk: Path, tmp_path: Path, read: Read) -> None:
    pi_image(disk, PiImageOptions(second_kernel=True, old_kernels=True, compression="gzip"))
    stock = by_mtools(disk, tmp_path / "mtools")

    found = read(disk)

    for name in ("initramfs7", "initramfs7l"):
        assert found.files[name].read_bytes() == stock[name]


@pytest.mark.parametrize(("iscsi", "said"), [("open-iscsi", "open-iscsi"), ("dracut", "dracut")])
def test_an_initramfs_that_can_do_it_by_itself_is_left_alone(
    disk: Path, tmp_path: Path, read: Read, iscsi: str, said: str
) -> None:
    pi_image(disk, PiImageOptions(iscsi=iscsi))

    found = read(disk)

    assert [one["iscsi"] for one in found.facts["initramfs"]] == [said]
    assert found.files["initramfs8"].read_bytes() == by_mtools(disk, tmp_path / "m")["initramfs8"]
    assert found.facts["warnings"] == []


@pytest.mark.parametrize(
    "options",
    [
        PiImageOptions(compression="gzip", module_packing="xz"),
        PiImageOptions(compression="lz4", module_packing="zst"),
        PiImageOptions(compression="xz", module_packing=""),
        PiImageOptions(compression="none", is_usr_merged=False),
        PiImageOptions(has_early_segment=True, shell="klibc"),
    ],
    ids=lambda options: f"{options.compression}-{options.module_packing or 'plain'}-{options.shell}",
)
def test_whatever_it_is_packed_with(disk: Path, read: Read, release: str, options: PiImageOptions) -> None:
    pi_image(disk, options)

    facts = read(disk).facts

    assert facts["initramfs"] == [{"file": "initramfs8", "release": release, "iscsi": "added"}]
    assert facts["warnings"] == []


def test_a_disk_of_something_else_has_no_boot_files(tmp_path: Path, initiator: Initiator) -> None:
    disk = tmp_path / "disk.img"
    with disk.open("wb") as writer:
        writer.truncate(8 * 1024**2)
    subprocess.run(["mformat", "-i", str(disk), "-v", "EFI", "::"], check=True, timeout=20)
    subprocess.run(["mmd", "-i", str(disk), "::/EFI"], check=True, timeout=20)

    assert read_boot_files(disk, tmp_path, initiator, lambda done, total: None) is None


def test_how_far_it_is_is_told_and_may_end_it(disk: Path, tmp_path: Path, initiator: Initiator) -> None:
    pi_image(disk)
    told: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        told.append((done, total))
        if len(told) == 5:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        read_boot_files(disk, tmp_path, initiator, stop)

    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert all(0 < done <= total for done, total in told), told


def test_without_the_programs_it_is_read_and_says_what_to_do(disk: Path, tmp_path: Path) -> None:
    pi_image(disk)

    found = read_boot_files(disk, tmp_path, None, lambda done, total: None)

    assert found is not None
    assert [one["iscsi"] for one in found.facts["initramfs"]] == ["missing"]
    assert "manage.py build_waiting_system --fetch" in found.facts["warnings"][0]
    assert "kernel8.img" in found.files


def test_a_system_in_a_folder_of_its_own_is_found_by_its_prefix(
    disk: Path, tmp_path: Path, read: Read, release: str
) -> None:
    """Ubuntu keeps the running and the new system in a folder each."""
    pi_image(disk, PiImageOptions(config="[all]\nos_prefix=current/\n"))
    partition = f"{disk}@@{BOOT_START_BYTES}"
    moved = ("kernel8.img", "initramfs8", "cmdline.txt")
    stock = by_mtools(disk, tmp_path / "mtools")
    subprocess.run(["mmd", "-i", partition, "::/current"], check=True, timeout=20)
    for name in moved:
        argv = ["mmove", "-i", partition, f"::/{name}", "::/current/"]
        subprocess.run(argv, check=True, timeout=20)

    found = read(disk)

    assert found.facts["kernels"] == [{"file": "current/kernel8.img", "release": release, "bits": 64}]
    assert [(one["file"], one["iscsi"]) for one in found.facts["initramfs"]] == [
        ("current/initramfs8", "added")
    ]
    assert (found.facts["cmdline"], found.facts["warnings"]) == (CMDLINE, [])
    assert found.files["current/initramfs8"].read_bytes().startswith(stock["initramfs8"])
