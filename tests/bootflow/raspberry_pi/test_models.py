"""Which files each Raspberry Pi needs, and that what is missing is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.raspberry_pi.models import BOARDS, Family, family_of, missing_files, missing_of_any

STOCK = (
    "bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat", "start_cd.elf", "fixup_cd.dat",
    "start4x.elf", "fixup4x.dat", "kernel8.img", "kernel_2712.img", "initramfs8", "initramfs_2712",
    "config.txt", "cmdline.txt", "overlays/vc4-kms-v3d.dtbo", "overlays/README",
    *(board.device_trees[0] for board in BOARDS.values()),
)  # fmt: skip
CONFIG = "arm_64bit=1\nauto_initramfs=1\n[cm4]\notg_mode=1\n[all]\n"


@pytest.mark.parametrize("family", Family)
def test_a_stock_boot_partition_has_all_that_a_model_needs(family: Family) -> None:
    assert missing_files(STOCK, family, config=CONFIG, initramfs=True) == []


@pytest.mark.parametrize("family", Family)
def test_each_firmware_file_that_is_left_out_is_named(family: Family) -> None:
    for needed in missing_files((), family, config=CONFIG, initramfs=True):
        names = needed.split(" or ")
        left = [path for path in STOCK if path not in names]
        assert needed in missing_files(left, family, config=CONFIG, initramfs=True), needed


@pytest.mark.parametrize(
    ("family", "missing"),
    [
        (Family.PI_3, ["bootcode.bin", "start.elf", "fixup.dat",
                       "bcm2710-rpi-3-b.dtb or bcm2837-rpi-3-b.dtb", "kernel7.img or kernel.img"]),
        (Family.PI_4, ["start4.elf", "fixup4.dat", "bcm2711-rpi-4-b.dtb", "kernel8.img"]),
        (Family.PI_5, ["bcm2712-rpi-5-b.dtb or bcm2712d0-rpi-5-b.dtb", "kernel_2712.img or kernel8.img"]),
    ],
)  # fmt: skip
def test_an_empty_folder_lacks_everything_of_the_model(family: Family, missing: list[str]) -> None:
    assert missing_files((), family) == missing


def test_a_pi_5_asks_for_no_start_elf() -> None:
    assert not [name for name in missing_files((), Family.PI_5) if "start" in name or "fixup" in name]


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        ("gpu_mem=16", ["start4cd.elf", "fixup4cd.dat"]),
        ("start_x=1", []),
        ("[pi3]\nstart_x=1\ngpu_mem=16\n[all]", []),
        ("start_debug=1", ["start4db.elf", "fixup4db.dat"]),
        ("kernel=vmlinuz", ["vmlinuz"]),
        ("arm_64bit=0", ["kernel7l.img or kernel7.img or kernel.img"]),
        ("device_tree=mine.dtb", ["mine.dtb"]),
        ("initramfs initramfs8,extra.img followkernel", ["extra.img"]),
        ("initramfs initrd.img 0x00f00000", ["initrd.img"]),
    ],
)
def test_what_config_txt_chooses_is_what_is_looked_for(config: str, missing: list[str]) -> None:
    assert missing_files(STOCK, Family.PI_4, config=config) == missing


def test_the_initramfs_of_the_kernel_that_is_taken_is_looked_for() -> None:
    left = [path for path in STOCK if path not in {"initramfs_2712", "initramfs8"}]
    assert missing_files(left, Family.PI_5, config=CONFIG, initramfs=True) == ["initramfs_2712"]
    assert missing_files(left, Family.PI_4, config=CONFIG, initramfs=True) == ["initramfs8"]
    assert missing_files(left, Family.PI_4, config=CONFIG) == []


def test_overlays_below_a_prefix_need_their_readme() -> None:
    config = "os_prefix=current/"
    paths = [*STOCK, "current/kernel8.img", "current/overlays/x.dtbo"]
    assert missing_files(paths, Family.PI_4, config=config) == ["current/overlays/README"]
    assert missing_files([*paths, "current/overlays/README"], Family.PI_4, config=config) == []


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Raspberry Pi 2 Model B Rev 1.2", Family.PI_2),
        ("Raspberry Pi 3 Model B Rev 1.2", Family.PI_3),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", Family.PI_3_PLUS),
        ("Raspberry Pi 3 Model B+", Family.PI_3_PLUS),
        ("Raspberry Pi Zero 2 W Rev 1.0", Family.PI_ZERO_2),
        ("Raspberry Pi 4 Model B Rev 1.5", Family.PI_4),
        ("Raspberry Pi 400 Rev 1.0", Family.PI_400),
        ("Raspberry Pi Compute Module 4 Rev 1.0", Family.CM_4),
        ("Raspberry Pi 5 Model B Rev 1.0", Family.PI_5),
        ("Raspberry Pi 500 Rev 1.0", Family.PI_500),
        ("Raspberry Pi Compute Module 5 Rev 1.0", Family.CM_5),
        *((family.value, family) for family in Family),
        ("Orange Pi", None),
        ("", None),
    ],
)
def test_a_family_is_told_from_the_model_s_name(model: str, family: Family | None) -> None:
    assert family_of(model) == family


def test_of_a_model_that_is_not_known_the_best_served_family_counts() -> None:
    only_pi_5 = ["kernel8.img", "bcm2712-rpi-5-b.dtb", "config.txt"]
    assert missing_of_any(only_pi_5, None) == []
    assert missing_of_any(["bcm2712-rpi-5-b.dtb"], None) == ["kernel_2712.img or kernel8.img"]
    assert "start4.elf" in missing_of_any(only_pi_5, Family.PI_4)


@given(st.lists(st.sampled_from(STOCK)), st.sampled_from(list(Family)))
def test_more_files_never_lack_more(paths: list[str], family: Family) -> None:
    few = missing_files(paths[: len(paths) // 2], family, config="arm_64bit=1")
    assert set(missing_files(paths, family, config="arm_64bit=1")) <= set(few)
