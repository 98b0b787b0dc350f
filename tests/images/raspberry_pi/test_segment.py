"""The segment, the programs in it, and where a root is."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from images.raspberry_pi.initiator import Initiator, find_initiator
from images.raspberry_pi.roots import root_partition, stable_root
from images.raspberry_pi.segment import HERE, append, segment

SHELLS = (["dash"], ["busybox", "sh"])


def names(packed: bytes) -> dict[str, str]:
    """The names in an archive and what each is."""
    listing = subprocess.run(
        ["cpio", "-itv", "--quiet"], input=gzip.decompress(packed), capture_output=True, check=True
    ).stdout.decode()
    return {line.split()[-1]: line[0] for line in listing.splitlines()}


def test_nothing_in_it_can_take_the_place_of_a_link_into_usr(initiator: Initiator) -> None:
    found = names(segment(initiator, {"6.1": [("iscsi_tcp.ko", b"\x7fELF")]}))

    assert {name.split("/")[0] for name in found} == {"netboot", "scripts"}
    assert [name for name in found if name.startswith("scripts/")] == ["scripts/netboot"]
    assert set(found.values()) == {"d", "-"}


def test_modules_are_listed_in_their_order(initiator: Initiator, tmp_path: Path) -> None:
    packed = segment(initiator, {"6.1": [("z.ko", b"1"), ("a.ko", b"2")]})
    subprocess.run(["cpio", "-id", "--quiet"], input=gzip.decompress(packed), cwd=tmp_path, check=True)

    assert (tmp_path / "netboot/modules/6.1/order").read_text() == "z.ko\na.ko\n"


def test_the_same_parts_make_the_same_segment(initiator: Initiator) -> None:
    assert segment(initiator, {}) == segment(initiator, {}), "each reading would be another content"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 1023])
def test_it_starts_at_a_multiple_of_four_behind_zeros(tmp_path: Path, size: int) -> None:
    (tmp_path / "stock").write_bytes(b"x" * size)

    append(tmp_path / "stock", b"070701", tmp_path / "made")

    made = (tmp_path / "made").read_bytes()
    at = made.index(b"070701")
    assert at % 4 == 0
    assert made[:at] == b"x" * size + bytes(at - size)
    assert at - size >= 4


def test_the_programs_are_arm64s_and_run_with_their_own_libraries(initiator: Initiator) -> None:
    assert {"busybox", "iscsistart", "lib/ld-linux-aarch64.so.1", "lib/libc.so.6"} <= set(initiator.files)
    machines = {name: path.read_bytes()[18:20] for name, path in initiator.files.items()}
    assert {name for name, machine in machines.items() if machine != b"\xb7\0"} == set(), "EM_AARCH64 is 183"


@pytest.mark.parametrize("missing", ["open-iscsi", "busybox-static", "libssl3", "libc6"])
def test_with_a_package_missing_there_is_no_initiator(tmp_path: Path, missing: str) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    for path in settings.PI_PACKAGES_PATH.glob("*.deb"):
        name = path.name.partition("_")[0]
        if name != missing and not name.startswith(("linux-", "raspi-")):
            (packages / path.name).symlink_to(path)
    (tmp_path / "work").mkdir()

    assert find_initiator(tmp_path / "work", packages) is None


def test_a_damaged_package_is_no_initiator(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    shutil.copytree(
        settings.PI_PACKAGES_PATH,
        packages,
        ignore=shutil.ignore_patterns("linux-*", "raspi-*"),
        symlinks=True,
    )
    next(packages.glob("libkmod2_*")).write_bytes(b"noise")
    (tmp_path / "work").mkdir()

    assert find_initiator(tmp_path / "work", packages) is None


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[0])
@pytest.mark.parametrize("script", ["netboot.sh", "udhcpc.sh"])
def test_the_scripts_are_read_by_each_shell(shell: list[str], script: str) -> None:
    done = subprocess.run([*shell, "-n", str(HERE / script)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def fstab(tmp_path: Path, shell: list[str], text: str) -> str:
    """What the hook makes of an /etc/fstab, for a root on a device whose partition 1 is there."""
    (tmp_path / "fstab").write_text(text)
    functions = (HERE / "netboot.sh").read_text().replace(". /scripts/local", "")
    functions = functions.replace("/netboot/busybox", "busybox")
    script = f"{functions}\nnetboot_root=/dev/sda2\nnetboot_write_fstab {tmp_path}/fstab\n"
    script = script.replace("[ -b ", f"{tmp_path}/is-there ")
    (tmp_path / "is-there").write_text('#!/bin/sh\n[ "$1" = /dev/sda1 ]\n')
    (tmp_path / "is-there").chmod(0o755)
    done = subprocess.run([*shell, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("/dev/mmcblk0p1  /boot  vfat  defaults  0  2", "/dev/sda1  /boot  vfat  defaults  0  2"),
        ("/dev/mmcblk0p3 none swap sw 0 0", "# not on this disk: /dev/mmcblk0p3 none swap sw 0 0"),
        ("/dev/mmcblk1p1 /sd vfat defaults 0 0", "# not on this disk: /dev/mmcblk1p1 /sd vfat defaults 0 0"),
        ("PARTUUID=6c586e13-01  /boot  vfat  defaults  0  2", None),
        ("# /dev/mmcblk0p1 was here", None),
        ("tmpfs /tmp tmpfs size=50%,mode=1777 0 0", None),
        ("LABEL=a\\040b /x ext4 defaults 0 0", None),
    ],
)
def test_lines_of_a_memory_card_become_those_of_the_disk(
    tmp_path: Path, shell: list[str], line: str, expected: str | None
) -> None:
    found = fstab(tmp_path, shell, f"proc /proc proc defaults 0 0\n{line}\n").splitlines()

    assert found == ["proc /proc proc defaults 0 0", line if expected is None else expected]


PARTITIONS: list[dict[str, Any]] = [
    {"number": 1, "file_system": "vfat", "label": "bootfs", "uuid": "1234-ABCD"},
    {"number": 2, "file_system": "ext4", "label": "other", "uuid": "aaaa"},
    {"number": 10, "file_system": "ext4", "label": "rootfs", "uuid": "bbbb"},
    {"number": 11, "file_system": "btrfs", "label": "data", "uuid": "cccc"},
]


@pytest.mark.parametrize(
    ("root", "number"),
    [
        ("PARTUUID=6c586e13-0a", 10), ("PARTUUID=6c586e13-02", 2), ("LABEL=rootfs", 10), ("UUID=BBBB", 10),
        ("/dev/mmcblk0p10", 10), ("/dev/sda2", 2), ("", 2), ("LABEL=", 2), ("/dev/nfs", 2), ("LABEL=data", 2),
    ],
)  # fmt: skip
def test_which_partition_the_modules_are_taken_from(root: str, number: int) -> None:
    found = root_partition(root, PARTITIONS)

    assert found is not None
    assert found["number"] == number


def test_without_one_that_can_be_read_there_is_none() -> None:
    assert root_partition("LABEL=data", [PARTITIONS[0], PARTITIONS[3]]) is None


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("/dev/mmcblk0p2", "UUID=aaaa"), ("/dev/mmcblk0p11", "UUID=cccc"),
        ("/dev/mmcblk0p7", "/dev/mmcblk0p7"), ("LABEL=rootfs", "LABEL=rootfs"), ("", ""),
        ("/dev/nfs", "/dev/nfs"),
    ],
)  # fmt: skip
def test_a_root_is_named_by_what_stays_on_an_iscsi_disk(root: str, expected: str) -> None:
    assert stable_root(root, PARTITIONS) == expected
