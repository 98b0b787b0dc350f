"""The waiting system is built from Debian's packages: what lies in it, once, whole or not at all."""

from __future__ import annotations

import gzip
import os
import subprocess
import time
from pathlib import Path

import pytest

from bootflow.raspberry_pi.waiting import build
from bootflow.raspberry_pi.waiting.build import ensure_waiting_system
from netboot_site.errors import UnavailableError
from tests.bootflow.raspberry_pi.debian import (
    FIRMWARE,
    RELEASE,
    compressed,
    kernel_files,
    module,
    write_package,
    write_packages,
)

URL = "http://10.66.0.1:8080/boot/"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's packages, in small."""
    return write_packages(tmp_path_factory.mktemp("arm64"))


@pytest.fixture(scope="module")
def made(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a waiting system."""
    return ensure_waiting_system(tmp_path_factory.mktemp("tftp") / ".waiting", packages, URL)


def unpacked(initramfs: Path, folder: Path) -> Path:
    """What the kernel would unpack, by the real cpio."""
    folder.mkdir()
    words = ["cpio", "--extract", "--quiet", "--no-absolute-filenames"]
    data = gzip.decompress(initramfs.read_bytes())
    subprocess.run(words, input=data, cwd=folder, check=True, capture_output=True, timeout=20)
    return folder


def test_every_firmware_file_is_there_as_the_package_has_it(made: Path) -> None:
    for path, content in FIRMWARE.items():
        assert (made / Path(path).name).read_bytes() == content, f"{path} was changed"
    assert not (made / "README.md").exists(), "no Pi asks for it"


def test_device_trees_have_the_names_that_the_firmware_asks_for(made: Path) -> None:
    found = {path.name: path.read_bytes().split()[1].split(b"\0")[0].decode() for path in made.glob("*.dtb")}
    assert found == {
        "bcm2710-rpi-2-b.dtb": "bcm2837-rpi-3-b",
        "bcm2710-rpi-3-b.dtb": "bcm2837-rpi-3-b",
        "bcm2710-rpi-3-b-plus.dtb": "bcm2837-rpi-3-b-plus",
        "bcm2710-rpi-cm3.dtb": "bcm2837-rpi-cm3-io3",
        "bcm2710-rpi-zero-2.dtb": "bcm2837-rpi-zero-2-w",
        "bcm2710-rpi-zero-2-w.dtb": "bcm2837-rpi-zero-2-w",
        "bcm2711-rpi-4-b.dtb": "bcm2711-rpi-4-b",
        "bcm2711-rpi-400.dtb": "bcm2711-rpi-400",
        "bcm2711-rpi-cm4.dtb": "bcm2711-rpi-cm4-io",
    }


def test_the_kernel_is_debians_and_comes_compressed(made: Path) -> None:
    data = (made / "kernel8.img").read_bytes()
    assert gzip.decompress(data) == kernel_files()[f"boot/vmlinuz-{RELEASE}"]


def test_the_command_line_is_one_line_with_our_address_and_every_console(made: Path) -> None:
    (line,) = (made / "cmdline.txt").read_text().splitlines()
    assert f"netboot.url={URL}" in line.split()
    assert [word for word in line.split() if word.startswith("console=")] == [
        "console=ttyAMA0,115200",
        "console=ttyS1,115200",
        "console=tty1",
    ]


def test_config_txt_asks_for_64_bits_a_serial_line_and_the_initramfs(made: Path) -> None:
    lines = (made / "config.txt").read_text().splitlines()
    assert {"arm_64bit=1", "enable_uart=1", "initramfs initramfs8 followkernel"} <= set(lines)
    assert max(map(len, lines)) <= 98, "the firmware reads 98 characters of a line"


def test_the_initramfs_loads_each_module_after_what_it_needs(made: Path, tmp_path: Path) -> None:
    root = unpacked(made / "initramfs8", tmp_path / "root")
    order = (root / "modules/network").read_text().split()
    assert order.index("usbnet.ko") < order.index("smsc95xx.ko")
    assert len(order) == len(set(order)), "a module is loaded twice"
    missing = [name for name in order if not (root / "modules" / name).is_file()]
    assert not missing
    assert (root / "bin/busybox").read_bytes() == b"\x7fELF busybox"
    for name in ("init", "udhcpc.sh", "bin/busybox"):
        assert (root / name).stat().st_mode & 0o111, f"{name} cannot be run"


def test_everyone_may_read_what_is_served(made: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in made.iterdir()} == {0o644}


def test_it_is_built_once_and_then_found(made: Path, packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_build", lambda *_: pytest.fail("it was built again"))
    assert ensure_waiting_system(made.parent, packages, URL) == made


def test_another_address_or_another_package_makes_another_one(packages: Path, tmp_path: Path) -> None:
    first = build.waiting_key(packages, URL)
    assert build.waiting_key(packages, URL.replace("10.66", "10.67")) != first
    others = write_packages(tmp_path / "others")
    assert build.waiting_key(others, URL) == first
    write_package(others, "libkmod2", {"lib/x": b""})
    assert build.waiting_key(others, URL) != first


def test_the_same_parts_give_the_same_bytes(made: Path, packages: Path, tmp_path: Path) -> None:
    again = ensure_waiting_system(tmp_path, packages, URL)
    assert again.name == made.name
    different = [
        path.name for path in made.iterdir() if path.read_bytes() != (again / path.name).read_bytes()
    ]
    assert not different


def test_a_missing_package_is_named_with_what_to_do_and_nothing_is_left(
    packages: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for path in packages.glob("*.deb"):
        if not path.name.startswith("raspi-firmware"):
            (few / path.name).symlink_to(path)
    with pytest.raises(UnavailableError, match=r"missing \(raspi-firmware\).*make setup"):
        ensure_waiting_system(tmp_path / ".waiting", few, URL)
    assert not (tmp_path / ".waiting").exists()


def test_a_damaged_package_leaves_nothing_half_made(packages: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    for path in packages.glob("*.deb"):
        content = path.read_bytes()
        (bad / path.name).write_bytes(content[: len(content) // 2] if "linux" in path.name else content)
    with pytest.raises(UnavailableError, match=r"package linux-image-6.1.0-99-arm64 is damaged"):
        ensure_waiting_system(tmp_path / ".waiting", bad, URL)
    assert list((tmp_path / ".waiting").iterdir()) == []


def test_a_place_that_cannot_be_written_is_told_without_its_path(packages: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        UnavailableError, match=r"could not be written: (Not a directory|File exists)\."
    ) as told:
        ensure_waiting_system(tmp_path / "file", packages, URL)
    assert str(tmp_path) not in str(told.value)


def test_old_ones_are_removed_after_a_grace_with_what_a_killed_build_left(
    packages: Path, tmp_path: Path
) -> None:
    made = ensure_waiting_system(tmp_path, packages, URL)
    os.utime(made, (0, 0))
    for name, age_seconds in ((".killed", 7200), (".under-way", 5), ("old", 7200), ("fetched-now", 60)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kernel8.img").touch()
        os.utime(tmp_path / name, (time.time() - age_seconds,) * 2)
    build.remove_others(made)
    assert {path.name for path in tmp_path.iterdir()} == {made.name, ".under-way", "fetched-now"}


def test_a_kernel_without_a_network_driver_is_refused(tmp_path: Path) -> None:
    packages = write_packages(tmp_path / "arm64", kernel_files(genet=None))
    with pytest.raises(UnavailableError, match="no module genet"):
        ensure_waiting_system(tmp_path / ".waiting", packages, URL)


def test_what_is_built_into_the_kernel_needs_no_module(tmp_path: Path) -> None:
    files = kernel_files(genet=None)
    files[f"lib/modules/{RELEASE}/modules.builtin"] = b"kernel/drivers/net/genet/genet.ko\n"
    made = ensure_waiting_system(tmp_path / ".waiting", write_packages(tmp_path / "arm64", files), URL)
    root = unpacked(made / "initramfs8", tmp_path / "root")
    assert "genet.ko" not in (root / "modules/network").read_text().split()


def test_the_packages_of_debian_13_do_as_well(made: Path, tmp_path: Path) -> None:
    packages = write_packages(tmp_path / "arm64", compressed(kernel_files()))
    later = ensure_waiting_system(tmp_path / ".waiting", packages, URL)
    assert (later / "initramfs8").read_bytes() == (made / "initramfs8").read_bytes()


@pytest.mark.parametrize(("network", "served"), [(b"", False), (b"raspberrypi,rp1-gem\0", True)])
def test_a_pi_5_is_served_only_by_a_kernel_that_knows_its_network(
    tmp_path: Path, network: bytes, served: bool
) -> None:
    files = kernel_files()
    files[f"usr/lib/linux-image-{RELEASE}/broadcom/bcm2712-rpi-5-b.dtb"] = b"brcm,bcm2712\0" + network
    files[f"lib/modules/{RELEASE}/kernel/drivers/net/ethernet/cadence/macb.ko"] = module()
    made = ensure_waiting_system(tmp_path / ".waiting", write_packages(tmp_path / "arm64", files), URL)
    assert (made / "bcm2712-rpi-5-b.dtb").exists() is served
