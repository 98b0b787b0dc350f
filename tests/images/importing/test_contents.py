"""What is told of a disk's inside, with the real tools."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from images.contents import inspect
from images.importing.systems import release_name

MIB = 1024 * 1024
GPT = """label: gpt
start=2048, size=32768, type=uefi, name="boot part"
start=34816, size=65536, type=linux, name="root"
"""


def run(*argv: str, stdin: str = "") -> None:
    subprocess.run(argv, input=stdin, text=True, check=True, capture_output=True)


def ext4(path: Path, tree: Path, size_bytes: int, label: str = "rootfs") -> bytes:
    run("truncate", "-s", str(size_bytes), str(path))
    run("mke2fs", "-q", "-t", "ext4", "-L", label, "-d", str(tree), str(path))
    return path.read_bytes()


def fat(path: Path, label: str, files: dict[str, str]) -> bytes:
    run("truncate", "-s", str(16 * MIB), str(path))
    run("mformat", "-i", str(path), "-v", label, "::")
    for name, text in files.items():
        folders = name.split("/")[:-1]
        for depth in range(1, len(folders) + 1):
            subprocess.run(
                ["mmd", "-D", "s", "-i", str(path), "::/" + "/".join(folders[:depth])], capture_output=True
            )
        source = path.with_suffix(".txt")
        source.write_text(text)
        run("mcopy", "-i", str(path), str(source), f"::/{name}")
    return path.read_bytes()


def disk(path: Path, table: str, parts: dict[int, bytes], size_bytes: int = 64 * MIB) -> Path:
    run("truncate", "-s", str(size_bytes), str(path))
    run("sfdisk", "-q", "--no-reread", str(path), stdin=table)
    with path.open("r+b") as file:
        for sector, data in parts.items():
            file.seek(sector * 512)
            file.write(data)
    return path


@pytest.fixture
def debian(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "usr/lib").mkdir(parents=True)
    (tree / "etc").mkdir()
    (tree / "usr/lib/os-release").write_text('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian"\n')
    (tree / "etc/os-release").symlink_to("../usr/lib/os-release")
    return tree


def test_a_gpt_disk_with_debian_on_ext4(tmp_path: Path, debian: Path) -> None:
    root = ext4(tmp_path / "root", debian, 32 * MIB)
    boot = fat(tmp_path / "boot", "ESP", {"EFI/debian/grubx64.efi": "loader"})
    found = inspect(disk(tmp_path / "disk", GPT, {2048: boot, 34816: root}))
    first, second = found["partitions"]
    assert found["table"] == "gpt"
    assert found["operating_system"] == "Debian GNU/Linux 12 (bookworm)"
    assert (first["number"], first["start_bytes"], first["size_bytes"]) == (1, MIB, 16 * MIB)
    assert (first["type"], first["name"]) == ("EFI System", "boot part")
    assert (first["file_system"], first["label"]) == ("vfat", "ESP")
    assert (second["type"], second["file_system"], second["label"]) == ("Linux filesystem", "ext4", "rootfs")
    assert len(second["uuid"]) == 36


def test_a_raspberry_pi_s_disk(tmp_path: Path) -> None:
    boot = fat(tmp_path / "boot", "BOOTFS", {"config.txt": "arm_64bit=1", "cmdline.txt": "root=x"})
    found = inspect(disk(tmp_path / "disk", "label: dos\nstart=2048, size=32768, type=c\n", {2048: boot}))
    assert (found["table"], found["operating_system"]) == ("dos", "Raspberry Pi boot files")
    assert found["partitions"][0]["type"] == "FAT32"


def test_a_windows_loader_is_told(tmp_path: Path) -> None:
    boot = fat(tmp_path / "boot", "SYSTEM", {"EFI/Microsoft/Boot/bootmgfw.efi": "x"})
    found = inspect(disk(tmp_path / "disk", GPT, {2048: boot}))
    assert found["operating_system"] == "Windows"


def test_a_file_system_without_a_table_is_partition_0(tmp_path: Path, debian: Path) -> None:
    ext4(tmp_path / "disk", debian, 32 * MIB, "it's mine")
    found = inspect(tmp_path / "disk")
    assert found["table"] is None
    assert [(one["number"], one["file_system"], one["label"]) for one in found["partitions"]] == [
        (0, "ext4", "it's mine")
    ]
    assert found["operating_system"] == "Debian GNU/Linux 12 (bookworm)"


@pytest.mark.parametrize("data", [b"", b"x", bytes(MIB), b"\xff" * MIB, b"EFI PART" * 100_000])
def test_nonsense_holds_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "disk").write_bytes(data)
    assert inspect(tmp_path / "disk") == {"table": None, "partitions": [], "operating_system": None}


def test_a_huge_or_hostile_release_file_is_cut_and_cleaned(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/os-release").write_text('PRETTY_NAME="\x1b[31m' + "x" * MIB + '"\n')
    ext4(tmp_path / "disk", tree, 32 * MIB)
    name = inspect(tmp_path / "disk")["operating_system"]
    assert name is not None
    assert name.isprintable()
    assert len(name) <= 100


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("NAME=Alpine\n", "Alpine"),
        ("PRETTY_NAME='Fedora 40'\nNAME=x", "Fedora 40"),
        ("VERSION=1", ""),
        ("", ""),
    ],
)
def test_names_in_os_release(text: str, name: str) -> None:
    assert release_name(text) == name
