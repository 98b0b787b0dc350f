"""Files that a Raspberry Pi's firmware asks for: what each is to it, and which may be missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.raspberry_pi.asked import Role, role_of, why_expected

ROLES = {
    "bootcode.bin": Role.FIRMWARE,
    "bootsig.bin": Role.FIRMWARE,
    "9ffefdef/start4.elf": Role.FIRMWARE,
    "9ffefdef/fixup4x.dat": Role.FIRMWARE,
    "9ffefdef/config.txt": Role.FIRMWARE,
    "9ffefdef/bcm2711-rpi-4-b.dtb": Role.FIRMWARE,
    "9ffefdef/overlays/overlay_map.dtb": Role.FIRMWARE,
    "9ffefdef/overlays/initramfs": Role.FIRMWARE,
    "9ffefdef/recovery8.img": Role.FIRMWARE,
    "9ffefdef/armstub8-gic.bin": Role.FIRMWARE,
    "9ffefdef/pieeprom.upd": Role.FIRMWARE,
    "dc-a6-32-01-36-c2/RPI_EFI.fd": Role.FIRMWARE,
    "9ffefdef/something-of-config.txt": Role.FIRMWARE,
    "9ffefdef/kernel8.img": Role.KERNEL,
    "kernel_2712.img": Role.KERNEL,
    "9ffefdef/vmlinuz-6.1.0-41-arm64": Role.KERNEL,
    "9ffefdef/initramfs8": Role.INITRAMFS,
    "initramfs_2712": Role.INITRAMFS,
    "9ffefdef/initrd.img-6.1.0-41-arm64": Role.INITRAMFS,
    "9ffefdef/netboot.cpio": Role.INITRAMFS,
    "undionly.kpxe": None,
    "ipxe-arm64.efi": None,
    "boot/x64/wdsnbp.com": None,
}
# What a tree of a stock Raspberry Pi OS holds, of what matters here.
STOCK = {
    "9ffefdef", "9ffefdef/start.elf", "9ffefdef/start4.elf", "9ffefdef/kernel8.img", "9ffefdef/initramfs8",
    "9ffefdef/config.txt", "9ffefdef/bcm2711-rpi-4-b.dtb", "9ffefdef/bcm2710-rpi-3-b.dtb",
    "9ffefdef/bcm2712-rpi-5-b.dtb",
}  # fmt: skip
COMMON = {"start4.elf", "config.txt", "bootcode.bin"}


@pytest.mark.parametrize("path", ROLES)
def test_a_file_has_its_role(path: str) -> None:
    assert role_of(path) == ROLES[path]


@pytest.mark.parametrize(
    "name",
    [
        "autoboot.txt", "tryboot.txt", "recovery.elf", "recover4.elf", "recovery8.img", "recovery7.img",
        "bootsig.bin", "boot.sig", "dt-blob.bin", "bootcfg.txt", "vl805.sig", "vl805.bin", "pieeprom.sig",
        "pieeprom.upd", "recovery.bin", "armstub8.bin", "armstub8-gic.bin", "armstub8-2712.bin",
        "overlays/overlay_map.dtb",
    ],
)  # fmt: skip
@pytest.mark.parametrize("folder", ["", "9ffefdef/", "dc-a6-32-01-36-c2/"])
def test_what_every_firmware_looks_for_need_not_be_there(name: str, folder: str) -> None:
    assert why_expected(folder + name, lambda _: False)


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("9ffefdef/kernel_2712.img", "kernel8.img"),
        ("9ffefdef/kernel7l.img", "kernel8.img"),
        ("9ffefdef/initramfs_2712", "initramfs8"),
        ("9ffefdef/bcm2711-rpi-400.dtb", "bcm2711-rpi-4-b.dtb"),
        ("9ffefdef/bcm2710-rpi-3-b-plus.dtb", "bcm2710-rpi-3-b.dtb"),
        ("9ffefdef/bcm2712d0-rpi-5-b.dtb", "bcm2712-rpi-5-b.dtb"),
    ],
)
def test_another_file_does_as_well_if_it_is_there(path: str, instead: str) -> None:
    assert why_expected(path, STOCK.__contains__) == f"{instead} is there instead"
    assert why_expected(path, {"9ffefdef"}.__contains__) == ""


def test_start_elf_is_looked_for_beside_start4_elf_and_missed_by_a_pi_3() -> None:
    assert why_expected("9ffefdef/start.elf", {"9ffefdef", "9ffefdef/start4.elf"}.__contains__)
    assert why_expected("9ffefdef/start.elf", {"9ffefdef", "9ffefdef/start_x.elf"}.__contains__) == ""


@pytest.mark.parametrize("prefix", ["11223344", "dc-a6-32-01-36-c2"])
def test_a_pi_without_a_folder_of_its_own_takes_the_common_files(prefix: str) -> None:
    assert "the common one has it" in why_expected(f"{prefix}/start4.elf", COMMON.__contains__)
    assert why_expected(f"{prefix}/start.elf", COMMON.__contains__) == ""


@pytest.mark.parametrize(
    "name",
    ["start4.elf", "fixup4.dat", "config.txt", "cmdline.txt", "bcm2711-rpi-4-b.dtb", "kernel8.img",
     "initramfs8", "overlays/vc4-kms-v3d.dtbo", "bootcode.bin"],
)  # fmt: skip
def test_what_a_boot_needs_is_missed(name: str) -> None:
    assert why_expected(f"9ffefdef/{name}", {"9ffefdef"}.__contains__) == ""
    assert why_expected(name, lambda _: False) == ""


@given(st.text(max_size=600), st.booleans())
def test_any_path_is_judged_without_error(path: str, there: bool) -> None:
    role_of(path)
    assert isinstance(why_expected(path, lambda _: there), str)
