"""An initramfs as initramfs-tools makes it on a Raspberry Pi, without iSCSI, from Debian's own parts."""

from __future__ import annotations

import stat
import subprocess
import tempfile
from pathlib import Path

from netboot_site import cpio
from netboot_site.elf import with_libraries
from tests.pi.modules import Kernel
from tests.pi.options import PiImageOptions

_LIBRARIES = "lib/aarch64-linux-gnu"
_TOOLS = "usr/share/initramfs-tools"
# As MODULES=dep leaves it on a Pi that runs from its SD card: nothing of a network, nothing of SCSI.
_MODULES = ["ext4", "crc32c_generic", "sdhci_iproc", "bcm2835"]
_NETWORK_MODULES = ["dwc2", "cdc_ether", "smsc95xx", "lan78xx", "iscsi_tcp", "sd_mod"]
_RULES = ("50-udev-default", "60-block", "60-persistent-storage", "73-special-net-names",
          "75-net-description", "80-net-setup-link", "80-drivers")  # fmt: skip
_PROGRAMS = {
    "sbin/modprobe": "kmod/bin/kmod", "sbin/rmmod": "kmod/bin/kmod", "bin/udevadm": "udev/bin/udevadm",
    "lib/udev/ata_id": "udev/lib/udev/ata_id", "lib/udev/scsi_id": "udev/lib/udev/scsi_id",
    "sbin/blkid": "util-linux/sbin/blkid",
}  # fmt: skip
_APPLETS = """\
sh cat ls mkdir mount umount ln rm mv cp sleep chmod mknod readlink cut grep sed tr head tail wc awk test
true false uname printf echo kill ps find sort touch wget ip ifconfig switch_root setsid sync dd basename
dirname env expr id reboot poweroff halt logger stty tee uniq xargs stat pidof seq egrep
"""
_ORDERED = (
    "init-top",
    "init-premount",
    "init-bottom",
    "local-top",
    "local-premount",
    "local-bottom",
    "nfs-top",
)
_LINKS = ("bin", "lib", "sbin")
_INITRAMFS_CONF = "MODULES=dep\nBUSYBOX=auto\nKEYMAP=n\nCOMPRESS=zstd\nDEVICE=\nNFSROOT=auto\nRUNSIZE=10%\n"


class _Tree:
    """What will be in the archive."""

    def __init__(self, packages: Path, options: PiImageOptions) -> None:
        self.packages, self.options = packages, options
        self.entries: dict[str, cpio.Entry] = {}

    def put(self, name: str, data: bytes, mode: int = 0o644) -> None:
        place = self._place(name)
        self.entries[place] = cpio.Entry(place, stat.S_IFREG | mode, data)

    def copy(self, name: str, source: str) -> None:
        path = self.packages / source
        self.put(name, path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644)

    def link(self, name: str, target: str) -> None:
        place = self._place(name)
        self.entries.setdefault(place, cpio.link(place, target))

    def has(self, name: str) -> bool:
        return self._place(name) in self.entries

    def _place(self, name: str) -> str:
        return f"usr/{name}" if self.options.is_usr_merged and name.split("/")[0] in _LINKS else name


def initramfs(packages: Path, kernel: Kernel, options: PiImageOptions, release: str = "") -> bytes:
    """The archive, compressed as the options say."""
    tree = _Tree(packages, options)
    if options.is_usr_merged:
        tree.entries |= {name: cpio.link(name, f"usr/{name}") for name in _LINKS}
    for name in ("dev", "proc", "sys", "root", "run", "tmp", "conf/conf.d"):
        tree.entries[name] = cpio.folder(name)
    tree.entries["dev/console"] = cpio.character_device("dev/console", 5, 1)
    _add_scripts(tree, options)
    _add_programs(tree, options)
    _add_modules(tree, kernel, release or kernel.release)
    early = cpio.archive([cpio.file("kernel/firmware/note", b"early")]) if options.has_early_segment else b""
    return early + compressed(cpio.archive(tree.entries.values()), options.compression)


def _add_scripts(tree: _Tree, options: PiImageOptions) -> None:
    tree.copy("init", f"initramfs-tools-core/{_TOOLS}/init")
    for package in (
        "initramfs-tools-core",
        "udev",
        *(["open-iscsi"] if options.iscsi == "open-iscsi" else []),
    ):
        scripts = tree.packages / package / _TOOLS / "scripts"
        for path in sorted(scripts.rglob("*")):
            if path.is_file():
                tree.copy(f"scripts/{path.relative_to(scripts)}", str(path.relative_to(tree.packages)))
    for name in _ORDERED:
        found = sorted(one for one in tree.entries if one.startswith(f"scripts/{name}/"))
        lines = [f'/{one} "$@"\n[ -e /conf/param.conf ] && . /conf/param.conf\n' for one in found]
        if found:
            tree.put(f"scripts/{name}/ORDER", "".join(lines).encode())
    tree.put("conf/arch.conf", b"DPKG_ARCH=arm64\n")
    tree.put("conf/initramfs.conf", _INITRAMFS_CONF.encode())
    tree.put("etc/fstab", b"")
    tree.link("etc/mtab", "/proc/mounts")


def _add_programs(tree: _Tree, options: PiImageOptions) -> None:
    programs = dict(_PROGRAMS)
    if options.iscsi:
        programs["sbin/iscsistart"] = "open-iscsi/sbin/iscsistart"
    if options.iscsi == "dracut":
        tree.put("lib/dracut/hooks/cmdline/90-parse-iscsiroot.sh", b"#!/bin/sh\n", 0o755)
        tree.put("usr/lib/dracut/modules.txt", b"base\nnetwork\niscsi\n")
    if options.shell == "busybox":
        programs["bin/busybox"] = "busybox/bin/busybox"
        for name in _APPLETS.split():
            tree.link(f"bin/{name}", "busybox")
    for name, source in programs.items():
        tree.copy(name, source)
    _add_klibc(tree)
    _add_libraries(tree, list(programs.values()))
    tree.link("lib/systemd/systemd-udevd", "/bin/udevadm")
    tree.put("etc/udev/udev.conf", b"")
    tree.copy("lib/systemd/network/99-default.link", "udev/lib/systemd/network/99-default.link")
    tree.copy("lib/systemd/network/73-usb-net-by-mac.link", "udev/lib/systemd/network/73-usb-net-by-mac.link")
    for rule in _RULES:
        tree.copy(f"lib/udev/rules.d/{rule}.rules", f"udev/lib/udev/rules.d/{rule}.rules")


def _add_klibc(tree: _Tree) -> None:
    """Its programs where there is none of that name yet, as its own hook has it."""
    for path in sorted((tree.packages / "klibc-utils/usr/lib/klibc/bin").iterdir()):
        if path.name not in {"gzip", "kinit", "zcat"} and not tree.has(f"bin/{path.name}"):
            tree.copy(f"bin/{path.name}", str(path.relative_to(tree.packages)))
    library = next((tree.packages / "libklibc/lib").glob("klibc-*.so"))
    tree.copy(f"lib/{library.name}", str(library.relative_to(tree.packages)))


def _add_libraries(tree: _Tree, programs: list[str]) -> None:
    tree.copy("lib/ld-linux-aarch64.so.1", "libc6/lib/ld-linux-aarch64.so.1")
    at_hand = {path.name: path for path in tree.packages.glob(f"*/**/{_LIBRARIES}/*.so*")}
    for name, path in with_libraries([tree.packages / one for one in programs], at_hand).items():
        tree.copy(f"{_LIBRARIES}/{name}", str(path.relative_to(tree.packages)))


def _add_modules(tree: _Tree, kernel: Kernel, release: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        names = [*_MODULES, *(_NETWORK_MODULES if tree.options.iscsi else [])]
        kernel.install(kernel.closure(names), root, release)
        for path in sorted((root / "lib/modules").rglob("*")):
            if path.is_file():
                tree.put(str(path.relative_to(root)), path.read_bytes())


def compressed(data: bytes, compression: str) -> bytes:
    """By the program that initramfs-tools would call."""
    argv = {
        "zstd": ["zstd", "-q", "-3", "-c"], "gzip": ["gzip", "-n", "-1", "-c"],
        "xz": ["xz", "-1", "--check=crc32", "-c"], "lz4": ["lz4", "-q", "-l", "-1", "-c"],
    }  # fmt: skip
    if compression == "none":
        return data
    return subprocess.run(argv[compression], input=data, capture_output=True, timeout=120, check=True).stdout
