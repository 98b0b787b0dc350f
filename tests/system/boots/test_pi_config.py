"""The played firmware reads config.txt as the real one is documented to."""

from __future__ import annotations

import pytest

from tests.system.boots.pi.boards import MODELS, PI_3B, PI_3B_PLUS, PI_4B, PI_5, Board, Model
from tests.system.boots.pi.config import Reader, initramfs_beside

NOTHING: dict[str, str] = {}


def read(text: str, model: Model = PI_4B, files: dict[str, str] = NOTHING) -> Reader:
    reader = Reader(Board.numbered(model, 7), files.get)
    reader.take(text)
    return reader


def test_the_last_line_of_a_name_holds() -> None:
    assert read("kernel=a.img\n# kernel=b.img\nkernel = c.img\n").config.values == {"kernel": "c.img"}


@pytest.mark.parametrize(("model", "expected"), [(PI_3B, "3"), (PI_3B_PLUS, "3"), (PI_4B, "4"), (PI_5, "")])
def test_a_models_section_is_read_by_that_model_alone(model: Model, expected: str) -> None:
    config = read("[pi3]\nkernel=3\n[pi4]\nkernel=4\n[all]\narm_64bit=1\n", model).config
    assert (config.values.get("kernel", ""), config.on("arm_64bit")) == (expected, True)


def test_a_serials_section_adds_to_the_models() -> None:
    serial = Board.numbered(PI_4B, 7).short_serial
    text = (
        f"[pi4]\n[0x{serial}]\nkernel=mine\n[0x12345678]\nkernel=anothers\n[pi3]\n[0x{serial}]\nkernel=no\n"
    )
    assert read(text).config.values == {"kernel": "mine"}


@pytest.mark.parametrize("section", ["none", "tryboot", "gpio4=1", "EDID=VSC-TD2220"])
def test_what_is_not_so_here_is_passed_over(section: str) -> None:
    assert read(f"[{section}]\nkernel=x\n[all]\ncmdline=c.txt\n").config.values == {"cmdline": "c.txt"}


def test_an_included_file_is_read_where_it_stands() -> None:
    reader = read("kernel=a\ninclude extra.txt\n", files={"extra.txt": "kernel=b\ndtoverlay=x,y=1\n"})
    assert (reader.config.values["kernel"], reader.config.overlays) == ("b", ["x"])


def test_a_file_that_includes_itself_ends() -> None:
    reader = read("include a.txt\n", files={"a.txt": "dtoverlay=x\ninclude a.txt\n"})
    assert len(reader.config.overlays) == 10


def test_overlays_are_kept_in_order_without_their_parameters() -> None:
    text = "dtoverlay=vc4-kms-v3d,noaudio\ndtoverlay=\ndtoverlay=disable-bt\n"
    assert read(text).config.overlays == ["vc4-kms-v3d", "disable-bt"]


def test_several_initramfs_files_are_one_line() -> None:
    assert read("initramfs a.gz,b.cpio followkernel\n").config.initramfs == ["a.gz", "b.cpio"]


def test_what_is_too_long_is_cut() -> None:
    assert read("cmdline=" + "x" * 200).config.values["cmdline"] == "x" * 90


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [("kernel8.img", "initramfs8"), ("kernel_2712.img", "initramfs_2712"), ("vmlinuz", "")],
)
def test_auto_initramfs_is_named_by_the_kernel(kernel: str, expected: str) -> None:
    assert initramfs_beside(kernel) == expected


def test_boards_differ_in_mac_and_serial() -> None:
    boards = [Board.numbered(model, number) for model in MODELS for number in range(1, 200)]
    assert (
        len({board.mac for board in boards}) == len({board.short_serial for board in boards}) == len(boards)
    )


@pytest.mark.parametrize("model", [PI_3B, PI_3B_PLUS])
def test_a_pi_3s_serial_ends_as_its_mac_does(model: Model) -> None:
    board = Board.numbered(model, 0x123)
    assert board.serial[2:] == board.mac.replace(":", "")[6:]
