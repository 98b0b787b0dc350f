"""The played firmware against our dnsmasq and trees made by hand: order, prefix, and where it stops."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bootflow.running import Running
from tests.system.boots.pi.boards import MODELS, PI_3B, PI_4B, PI_5, Board, Model
from tests.system.boots.pi.dhcp import RefusedError
from tests.system.boots.pi.lab import CMDLINE, SMALL, content, make_tree, served
from tests.system.boots.pi.place import PlayedPi
from tests.system.boots.pi.rom import Fetched
from tests.system.instance import Wire

pytestmark = [pytest.mark.real_dnsmasq, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
IDS = [model.key for model in MODELS]


@pytest.fixture(scope="module")
def server(wire: Wire) -> Iterator[Running]:
    with served(wire, "server") as running:
        yield running


@pytest.fixture
def root(server: Running) -> Iterator[Path]:
    """The TFTP root; what a test adds to it goes again."""
    folder = server.folder / "tftp"
    before = set(folder.iterdir())
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        if path not in before:
            path.rmdir() if path.is_dir() else path.unlink()


def boot(model: Model, wire: Wire, number: int = 1) -> Fetched:
    with PlayedPi(Board.numbered(model, number), wire) as pi:
        return pi.power_on()


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_it_has_all_that_it_needs_from_its_own_folder(model: Model, wire: Wire, root: Path) -> None:
    board = Board.numbered(model, 1)
    make_tree(root / board.short_serial, board)
    got = boot(model, wire)
    assert (got.prefix, got.cmdline) == (f"{board.short_serial}/", CMDLINE.rstrip("\n"))
    assert got.kernel == content("kernel8.img", SMALL["kernel8.img"])
    assert got.initramfs == content("initramfs8", SMALL["initramfs8"])
    assert got.device_tree == content(model.device_trees[0], 3000)
    assert list(got.overlays) == ["vc4-kms-v3d"]
    assert list(got.firmware) == [name for name in (model.start_file, model.fixup_file) if name]
    assert sum(one.resent for one in got.transfers) == 0


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_what_is_in_the_root_is_taken_if_it_has_no_folder(model: Model, wire: Wire, root: Path) -> None:
    make_tree(root, Board.numbered(model, 1))
    got = boot(model, wire)
    assert (got.prefix, len(got.kernel)) == ("", SMALL["kernel8.img"])


def test_a_pi_3_begins_with_its_boot_code(wire: Wire, root: Path) -> None:
    board = Board.numbered(PI_3B, 1)
    own = board.short_serial
    make_tree(root / own, board)
    assert boot(PI_3B, wire).asked[:4] == [
        "bootcode.bin", "bootsig.bin", f"{own}/start.elf", f"{own}/autoboot.txt",
    ]  # fmt: skip


def test_a_pi_5_asks_for_no_firmware(wire: Wire, root: Path) -> None:
    board = Board.numbered(PI_5, 1)
    make_tree(root / board.short_serial, board)
    asked = boot(PI_5, wire).asked
    assert asked[0] == f"{board.short_serial}/config.txt"
    assert not [path for path in asked if path.endswith((".elf", ".dat"))]
    assert asked.index(f"{board.short_serial}/kernel_2712.img") < asked.index(
        f"{board.short_serial}/kernel8.img"
    )


def test_a_file_that_is_only_looked_for_is_broken_off(wire: Wire, root: Path) -> None:
    board = Board.numbered(PI_4B, 1)
    make_tree(root / board.short_serial, board)
    kernel = [one for one in boot(PI_4B, wire).transfers if one.path.endswith("kernel8.img")]
    assert [one.outcome for one in kernel] == ["probed", "read"]


@pytest.mark.parametrize(
    ("model", "name", "reason"),
    [
        (PI_3B, "bootcode.bin", "bootcode.bin"),
        (PI_3B, "start.elf", "start.elf"),
        (PI_4B, "start4.elf", "start4.elf"),
        (PI_5, "config.txt", "config.txt"),
        (PI_4B, "kernel8.img", "No kernel: 9f000001/kernel8.img"),
        (PI_4B, "bcm2711-rpi-4-b.dtb", "No device tree"),
    ],
)
def test_it_stops_without(model: Model, name: str, reason: str, wire: Wire, root: Path) -> None:
    board = Board.numbered(model, 1)
    make_tree(root / board.short_serial, board)
    if name == "bootcode.bin":
        (root / name).rename(root / "aside")
    else:
        (root / board.short_serial / name).unlink()
    try:
        with pytest.raises(RefusedError, match=reason):
            boot(model, wire)
    finally:
        if name == "bootcode.bin":
            (root / "aside").rename(root / name)


def test_an_update_of_the_bootloader_is_flashed_if_it_is_there(wire: Wire, root: Path) -> None:
    board = Board.numbered(PI_4B, 1)
    make_tree(root / board.short_serial, board)
    for name in ("pieeprom.sig", "pieeprom.upd"):
        (root / board.short_serial / name).write_bytes(b"x")
    assert boot(PI_4B, wire).updates == ["pieeprom.upd"]


def test_several_initramfs_files_are_one_blob(wire: Wire, root: Path) -> None:
    board = Board.numbered(PI_4B, 1)
    make_tree(root / board.short_serial, board)
    (root / board.short_serial / "more.cpio").write_bytes(b"more")
    (root / board.short_serial / "config.txt").write_text("initramfs initramfs8,more.cpio followkernel\n")
    assert boot(PI_4B, wire).initramfs == content("initramfs8", SMALL["initramfs8"]) + b"more"
