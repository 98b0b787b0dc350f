"""Debian packages in small, made by the real dpkg-deb: a kernel, firmware, busybox, an initiator."""

from __future__ import annotations

import lzma
import subprocess
from collections.abc import Mapping
from pathlib import Path

RELEASE = "6.1.0-99-arm64"
MODULES = f"lib/modules/{RELEASE}/kernel"
TREES = f"usr/lib/linux-image-{RELEASE}/broadcom"
NETWORK = (
    "usb/phy/phy-generic", "usb/dwc2/dwc2", "net/phy/smsc", "net/usb/usbnet", "net/usb/smsc95xx",
    "net/phy/microchip", "net/usb/lan78xx", "net/usb/cdc_ether", "net/phy/bcm7xxx", "net/phy/broadcom",
    "net/mdio/mdio-bcm-unimac", "net/ethernet/broadcom/genet/genet", "watchdog/bcm2835_wdt",
)  # fmt: skip
BOARDS = (
    "bcm2837-rpi-3-b", "bcm2837-rpi-3-b-plus", "bcm2837-rpi-cm3-io3", "bcm2837-rpi-zero-2-w",
    "bcm2711-rpi-4-b", "bcm2711-rpi-400", "bcm2711-rpi-cm4-io",
)  # fmt: skip
KERNEL: Mapping[str, bytes] = {
    f"boot/vmlinuz-{RELEASE}": b"MZ kernel " * 1000,
    f"lib/modules/{RELEASE}/modules.builtin": b"kernel/drivers/net/mii.ko\n",
    **{f"{TREES}/{name}.dtb": f"\xd0\r {name}\0brcm,{name[:7]}\0".encode("latin-1") for name in BOARDS},
}
FIRMWARE: Mapping[str, bytes] = {
    f"usr/lib/raspi-firmware/{name}": name.encode() * 100
    for name in ("bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat")
}
BESIDE_FIRMWARE: Mapping[str, bytes] = {"usr/lib/raspi-firmware/README.md": b"# Firmware\n"}


def module(needs: str = "") -> bytes:
    """What a kernel module says of itself."""
    return b"\x7fELF\0license=GPL\0depends=" + needs.encode() + b"\0retpoline=Y\0"


def kernel_files(**changes: bytes | None) -> dict[str, bytes]:
    """A kernel's package; `changes` are modules by name, None for one that is not in it."""
    needs = {"net/usb/smsc95xx": "usbnet", "net/usb/cdc_ether": "usbnet"}
    files = dict(KERNEL) | {f"{MODULES}/drivers/{n}.ko": module(needs.get(n, "")) for n in NETWORK}
    for name, content in changes.items():
        path = next(path for path in files if path.endswith((f"/{name}.ko", f"/{name}.dtb")))
        if content is None:
            del files[path]
        else:
            files[path] = content
    return files


def compressed(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same package as Debian 13 makes it: modules in xz, everything below /usr."""
    made = {}
    for path, content in files.items():
        name, data = (f"{path}.xz", lzma.compress(content)) if path.endswith(".ko") else (path, content)
        made[name if name.startswith(("usr/", "boot/")) else f"usr/{name}"] = data
    return made


def write_package(folder: Path, name: str, files: Mapping[str, bytes], version: str = "1") -> Path:
    """Build NAME_VERSION_arm64.deb in the folder."""
    root = folder / f".{name}"
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: arm64\n"
        "Maintainer: Tests <tests@example.com>\nDescription: for a test\n"
    )
    package = folder / f"{name}_{version}_arm64.deb"
    argv = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(root), str(package)]
    subprocess.run(argv, check=True, capture_output=True, timeout=20)
    return package


def write_packages(folder: Path, kernel: Mapping[str, bytes] | None = None) -> Path:
    """All that the waiting system needs."""
    folder.mkdir(exist_ok=True)
    write_package(folder, f"linux-image-{RELEASE}", kernel or kernel_files())
    write_package(folder, "raspi-firmware", {**FIRMWARE, **BESIDE_FIRMWARE})
    write_package(folder, "busybox-static", {"bin/busybox": b"\x7fELF busybox"})
    write_package(folder, "open-iscsi", {"sbin/iscsistart": b"\x7fELF iscsistart"})
    return folder
