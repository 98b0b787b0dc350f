"""The demonstration's disk, looked at from outside with other people's tools."""

from __future__ import annotations

import subprocess
from pathlib import Path
from time import monotonic

import pytest

from netboot_site.demo import disk
from netboot_site.demo.disk import GuestOptions, build_disk, read_root_file
from netboot_site.demo.packages import CACHE_PATH
from netboot_site.errors import UnavailableError

pytestmark = pytest.mark.slow


def output(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("disk") / "disk.raw"
    build_disk(path, CACHE_PATH)
    return path


def test_it_has_a_boot_partition_and_a_root_partition(built: Path) -> None:
    listing = output("sfdisk", "--dump", str(built))
    partitions = [line.split(":")[1].replace(" ", "") for line in listing.splitlines() if "start=" in line]
    assert partitions == [
        "start=2048,size=98304,type=ef,bootable",
        "start=100352,size=161792,type=83",
    ]


def test_its_first_sector_starts_grub_and_the_second_holds_it(built: Path) -> None:
    start = built.read_bytes()[: 2 * disk.SECTOR_BYTES]
    assert b"GRUB" in start[: disk.SECTOR_BYTES]
    assert start[510:512] == b"\x55\xaa"
    assert b"loading" in start[disk.SECTOR_BYTES :]


def test_its_boot_partition_holds_the_efi_loader_the_kernel_and_the_initramfs(built: Path) -> None:
    names = output("mdir", "-/", "-b", "-i", f"{built}@@{disk.BOOT_START_BYTES}", "::").split()
    assert {"::/EFI/BOOT/BOOTX64.EFI", "::/vmlinuz", "::/initramfs"} <= set(names)


def test_its_root_knows_root_so_that_iscsid_takes_the_session_over(built: Path, tmp_path: Path) -> None:
    assert read_root_file(built, "/etc/passwd", tmp_path).startswith("root:x:0:0:")
    assert "replacement_timeout = 86400" in read_root_file(built, "/etc/iscsi/iscsid.conf", tmp_path)


def test_a_file_that_is_not_there_reads_as_empty(built: Path, tmp_path: Path) -> None:
    assert read_root_file(built, "/marker", tmp_path) == ""


def test_reading_a_file_leaves_the_disk_as_it_is(built: Path, tmp_path: Path) -> None:
    before = output("sha256sum", str(built))
    read_root_file(built, "/etc/passwd", tmp_path)
    assert output("sha256sum", str(built)) == before


def test_a_damaged_root_file_system_is_told(built: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.raw"
    broken.write_bytes(built.read_bytes())
    with broken.open("r+b") as writer:
        writer.seek(disk.ROOT_START_BYTES)
        writer.write(b"\xff" * 64 * 1024)
    with pytest.raises(UnavailableError, match="damaged"):
        read_root_file(broken, "/marker", tmp_path)


def test_a_second_disk_of_the_same_content_is_a_copy_from_the_cache(built: Path, tmp_path: Path) -> None:
    started = monotonic()
    build_disk(tmp_path / "again.raw", CACHE_PATH)
    assert monotonic() - started < 2
    assert (tmp_path / "again.raw").read_bytes() == built.read_bytes()


def test_other_options_make_another_command_line() -> None:
    assert "nb.writer" not in GuestOptions().cmdline
    assert GuestOptions(writer_interval_seconds=0.5).cmdline.endswith("nb.writer=0.5")
    assert "nb.port=9090" in GuestOptions(boot_http_port=9090).cmdline


def test_a_program_that_fails_is_told_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"cp says: .*missing"):
        disk._checked(["cp", str(tmp_path / "missing"), str(tmp_path / "copy")])
