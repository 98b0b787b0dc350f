"""Builds the small disk that a virtual PC boots, under BIOS and UEFI alike, without a mount.

An MBR with GRUB in the gap after it, a FAT partition (EFI system partition) with Debian's kernel and an
initramfs, and an ext4 partition that is mounted as the root file system over iSCSI.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from netboot_site.demo import guest
from netboot_site.demo.packages import guest_packages
from netboot_site.errors import UnavailableError
from netboot_site.system import run

SECTOR_BYTES = 512
MIB = 1024**2
BOOT_START_BYTES = 1 * MIB
BOOT_BYTES = 48 * MIB
ROOT_START_BYTES = BOOT_START_BYTES + BOOT_BYTES
ROOT_BYTES = 79 * MIB
DISK_BYTES = ROOT_START_BYTES + ROOT_BYTES
GRUB_PATH = Path("/usr/lib/grub")
_MBR_CODE_BYTES = 440  # then the disk's signature, four partition entries and 55 AA
_EFI_SYSTEM, _LINUX = 0xEF, 0x83
_DISK_SIGNATURE = 0x4E42_0001
_GRUB_MODULES = ["part_msdos", "fat", "search_fs_file", "linux"]
_BUILD_SECONDS = 60.0
# The kernel's clock calibration and its wait for keyboards cost seconds under emulation.
QUICK_AND_QUIET = (
    "console=ttyS0,115200 quiet loglevel=4 panic=5 tsc=reliable no_timer_check mitigations=off nokaslr"
    " i8042.noaux i8042.nokbd cryptomgr.notests 8250.nr_uarts=1 random.trust_cpu=on audit=0"
)


@dataclass(frozen=True, slots=True)
class GuestOptions:
    """What the system on the disk does besides booting."""

    writer_interval_seconds: float | None = None  # it then runs iscsid and appends numbered, synced records
    boot_http_port: int = 8080

    @property
    def cmdline(self) -> str:
        """The kernel's command line."""
        words = [QUICK_AND_QUIET, f"nb.port={self.boot_http_port}"]
        if self.writer_interval_seconds is not None:
            words.append(f"nb.writer={self.writer_interval_seconds:g}")
        return " ".join(words)


def build_disk(path: Path, cache_path: Path, options: GuestOptions | None = None) -> None:
    """Write the disk to `path`; kept in the cache by its content, so a second one is a copy."""
    options = options or GuestOptions()
    packages = guest_packages(cache_path)
    kept = cache_path / f"disk-{_content_key(packages, options)}.raw"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=cache_path) as work:
            _build(Path(work), packages, options).rename(kept)
    _checked(["cp", "--sparse=always", str(kept), str(path)])


def _content_key(packages: Path, options: GuestOptions) -> str:
    kernel = guest.kernel_file(packages)
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*")) if path.is_file()]
    digest = hashlib.sha256(b"\0".join([kernel.name.encode(), options.cmdline.encode(), *sources]))
    return digest.hexdigest()[:16]


def _build(work: Path, packages: Path, options: GuestOptions) -> Path:
    disk = work / "disk.raw"
    with disk.open("wb") as writer:
        writer.truncate(DISK_BYTES)
    _write_boot_code(disk, work, options)
    _write_boot_partition(disk, work, packages, options)
    _write_root_partition(disk, work, packages)
    return disk


def _write_boot_code(disk: Path, work: Path, options: GuestOptions) -> None:
    """The MBR, and GRUB for the BIOS in the sectors behind it, where boot.img looks by default (sector 1)."""
    core = _grub_image(work, options, "i386-pc", ["biosdisk"])
    boot = (GRUB_PATH / "i386-pc" / "boot.img").read_bytes()[:_MBR_CODE_BYTES]
    if SECTOR_BYTES + len(core) > BOOT_START_BYTES:
        raise UnavailableError("GRUB does not fit into the gap before the first partition.")
    with disk.open("r+b") as writer:
        writer.write(boot + struct.pack("<IH", _DISK_SIGNATURE, 0) + _partition_table())
        writer.seek(SECTOR_BYTES)
        writer.write(core)


def _partition_table() -> bytes:
    entries = [
        _partition(_EFI_SYSTEM, BOOT_START_BYTES, BOOT_BYTES, active=True),
        _partition(_LINUX, ROOT_START_BYTES, ROOT_BYTES, active=False),
    ]
    return b"".join(entries).ljust(4 * 16, b"\0") + b"\x55\xaa"


def _partition(kind: int, start_bytes: int, size_bytes: int, *, active: bool) -> bytes:
    beyond_chs = b"\xfe\xff\xff"  # "use the LBA": the cylinder fields cannot say it
    head = struct.pack("<B3sB3s", 0x80 if active else 0, beyond_chs, kind, beyond_chs)
    return head + struct.pack("<II", start_bytes // SECTOR_BYTES, size_bytes // SECTOR_BYTES)


def _grub_image(work: Path, options: GuestOptions, target: str, modules: list[str]) -> bytes:
    script, image = work / "grub.cfg", work / f"grub-{target}"
    script.write_text(
        f"search.file /vmlinuz root\nlinux /vmlinuz {options.cmdline}\ninitrd /initramfs\nboot\n"
    )
    words = ["grub-mkimage", "-O", target, "-p", "/", "-c", str(script), "-o", str(image)]
    _checked([*words, *_GRUB_MODULES, *modules])
    return image.read_bytes()


def _write_boot_partition(disk: Path, work: Path, packages: Path, options: GuestOptions) -> None:
    (work / "boot.efi").write_bytes(_grub_image(work, options, "x86_64-efi", []))
    (work / "initramfs").write_bytes(guest.initramfs(packages))
    partition = f"{disk}@@{BOOT_START_BYTES}"
    sectors = BOOT_BYTES // SECTOR_BYTES
    _checked(["mformat", "-i", partition, "-v", "NBBOOT", "-T", str(sectors), "-h", "64", "-s", "32", "::"])
    _checked(["mmd", "-i", partition, "::/EFI", "::/EFI/BOOT"])
    for source, name in (
        (work / "boot.efi", "EFI/BOOT/BOOTX64.EFI"),
        (guest.kernel_file(packages), "vmlinuz"),
        (work / "initramfs", "initramfs"),
    ):
        _checked(["mcopy", "-i", partition, str(source), f"::/{name}"])


def _write_root_partition(disk: Path, work: Path, packages: Path) -> None:
    root, partition = work / "root", work / "root.ext4"
    guest.write_root(root, packages)
    size_kib = ROOT_BYTES // 1024
    words = ["mke2fs", "-q", "-t", "ext4", "-L", "nbroot", "-E", "root_owner=0:0,lazy_itable_init=1"]
    _checked([*words, "-m", "0", "-d", str(root), str(partition), f"{size_kib}k"])
    copy = ["dd", f"if={partition}", f"of={disk}", "bs=1M", f"seek={ROOT_START_BYTES // MIB}"]
    _checked([*copy, "conv=notrunc,sparse", "status=none"])
    shutil.rmtree(root)


def read_root_file(disk: Path, name: str, work: Path) -> str:
    """A file of the guest's root file system, read from its disk after the journal has been played back.

    The disk itself is left as it is. Empty if there is no such file.
    """
    partition = work / "root-copy.ext4"
    copy = ["dd", f"if={disk}", f"of={partition}", "bs=1M", f"skip={ROOT_START_BYTES // MIB}"]
    _checked([*copy, f"count={ROOT_BYTES // MIB}", "conv=sparse", "status=none"])
    checked = run(["e2fsck", "-p", str(partition)], timeout_seconds=_BUILD_SECONDS)
    if checked.exit_code > 1:  # e2fsck(8): 1 is "errors corrected"
        raise UnavailableError(f"The root file system is damaged: {checked.stdout.strip()}")
    return run(["debugfs", "-R", f"cat {name}", str(partition)]).stdout


def _checked(argv: list[str]) -> None:
    done = run(argv, timeout_seconds=_BUILD_SECONDS)
    if done.exit_code != 0:
        reason = (done.stderr.strip() or done.stdout.strip())[-300:]
        raise UnavailableError(f"The disk of the virtual PC could not be built: {argv[0]} says: {reason}")
