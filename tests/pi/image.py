"""Builds a disk laid out as Raspberry Pi OS is: an MBR, a FAT boot partition at 8 MiB, an ext4 root behind.

`pi_image(path)` writes a raw disk to `path`, `pi_image_xz()` gives it as an `.img.xz` to import; both come
from a cache, so that only the first of a kind takes time (some seconds). Its kernel is Debian's, packed as
Raspberry Pi OS packs its own, its initramfs is a real one of initramfs-tools that can do no iSCSI, its root's
first program (guest/init.sh) writes `/marker`, says `pi-guest: ...` on console and kernel log and calls
`<netboot.url>online?mac=<netboot.mac>`. With `pi-guest.writer=SECONDS` in its command line it goes on writing
numbered records to its disk, with `pi-guest.end=poweroff` it switches itself off.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from tests.pi.initramfs import initramfs
from tests.pi.modules import Kernel
from tests.pi.options import DISK_ID, INITRAMFS_FILE, KERNEL_FILE, PiImageOptions
from tests.pi.packages import CACHE_PATH, pi_packages

MIB = 1024**2
BOOT_START_BYTES = 8 * MIB
BOOT_BYTES = 96 * MIB
ROOT_START_BYTES = BOOT_START_BYTES + BOOT_BYTES
ROOT_BYTES = 96 * MIB
DISK_BYTES = ROOT_START_BYTES + ROOT_BYTES
HERE = Path(__file__).parent
FSTAB = f"""\
proc            /proc           proc    defaults          0       0
PARTUUID={DISK_ID:08x}-01  /boot/firmware  vfat    defaults          0       2
PARTUUID={DISK_ID:08x}-02  /               ext4    defaults,noatime  0       1
/dev/mmcblk0p1  /old-boot       vfat    defaults          0       2
# a swapfile is not a swap partition, no line here
"""
FIRMWARE = ("bootcode.bin", "start.elf", "fixup.dat", "start4.elf", "fixup4.dat")
DEVICE_TREES = {
    "bcm2710-rpi-3-b.dtb": "bcm2837-rpi-3-b.dtb", "bcm2710-rpi-3-b-plus.dtb": "bcm2837-rpi-3-b-plus.dtb",
    "bcm2711-rpi-4-b.dtb": "bcm2711-rpi-4-b.dtb", "bcm2711-rpi-400.dtb": "bcm2711-rpi-400.dtb",
    "bcm2711-rpi-cm4.dtb": "bcm2711-rpi-cm4-io.dtb",
    "bcm2712-rpi-5-b.dtb": "bcm2711-rpi-4-b.dtb",  # Debian 12's kernel has none: a stand-in, nothing boots it
}  # fmt: skip
OVERLAYS = ("vc4-kms-v3d", "vc4-kms-v3d-pi5", "disable-bt", "miniuart-bt")


def pi_image(path: Path, options: PiImageOptions | None = None) -> None:
    """Write the raw disk to `path`."""
    _run("cp", "--sparse=always", str(_kept(options or PiImageOptions())), str(path))


def pi_image_xz(options: PiImageOptions | None = None) -> Path:
    """The disk as the file that a person would import; not to be changed."""
    disk = _kept(options or PiImageOptions())
    packed = disk.with_suffix(".img.xz")
    if not packed.exists():
        with tempfile.TemporaryDirectory(dir=CACHE_PATH) as work:
            made = Path(work) / "made"
            with made.open("wb") as writer:
                argv = ["xz", "-1", "-T2", "-c", str(disk)]
                subprocess.run(argv, stdout=writer, check=True, timeout=300)
            made.rename(packed)
    return packed


def read_root_file(disk: Path, name: str) -> str:
    """A file of the disk's root after its journal was played back, on a copy; "" if there is none."""
    with tempfile.TemporaryDirectory() as work:
        partition = Path(work) / "root.ext4"
        copy = ["dd", f"if={disk}", f"of={partition}", "bs=1M", f"skip={ROOT_START_BYTES // MIB}"]
        _run(*copy, "conv=sparse", "status=none")
        subprocess.run(["e2fsck", "-p", str(partition)], capture_output=True, timeout=60, check=False)
        return _run("debugfs", "-R", f"cat {name}", str(partition))


def _kept(options: PiImageOptions) -> Path:
    packages = pi_packages()
    release = Kernel(packages).release
    sources = [path.read_bytes() for path in sorted(HERE.rglob("*")) if path.suffix in {".py", ".sh"}]
    digest = hashlib.sha256(b"\0".join([repr(options).encode(), release.encode(), *sources])).hexdigest()
    kept = CACHE_PATH / f"disk-{digest[:16]}.img"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=CACHE_PATH) as work:
            _build(Path(work), packages, options).rename(kept)
    return kept


def _build(work: Path, packages: Path, options: PiImageOptions) -> Path:
    disk, kernel = work / "disk.img", Kernel(packages)
    with disk.open("wb") as writer:
        writer.write(_partition_table())
        writer.truncate(DISK_BYTES)
    boot, root = work / "boot", work / "root"
    write_boot(boot, packages, kernel, options)
    _write_boot_partition(disk, boot, options)
    _write_root(root, packages, kernel, options)
    _write_root_partition(disk, work, root)
    return disk


def _partition_table() -> bytes:
    entries = [(0x0C, BOOT_START_BYTES, BOOT_BYTES), (0x83, ROOT_START_BYTES, ROOT_BYTES)]
    rows = b"".join(
        struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", start // 512, size // 512)
        for kind, start, size in entries
    )
    return bytes(440) + struct.pack("<IH", DISK_ID, 0) + rows.ljust(64, b"\0") + b"\x55\xaa"


def write_boot(boot: Path, packages: Path, kernel: Kernel, options: PiImageOptions) -> None:
    """The boot partition's files, below `boot`."""
    (boot / "overlays").mkdir(parents=True)
    for name in FIRMWARE:
        shutil.copyfile(packages / "raspi-firmware/usr/lib/raspi-firmware" / name, boot / name)
    for name, source in DEVICE_TREES.items():
        shutil.copyfile(kernel.device_trees / source, boot / name)
    for name in OVERLAYS:
        (boot / "overlays" / f"{name}.dtbo").write_bytes(_empty_device_tree())
    (boot / "overlays/overlay_map.dtb").write_bytes(_empty_device_tree())
    (boot / "overlays/README").write_text("Introduction\n============\n")
    (boot / "config.txt").write_text(options.config)
    (boot / "cmdline.txt").write_text(options.cmdline + "\n")
    (boot / "issue.txt").write_text("Raspberry Pi reference, as a test builds it\n")
    _write_kernels(boot, packages, kernel, options)


def _empty_device_tree() -> bytes:
    """An overlay that changes nothing (devicetree specification 0.4, chapter 5)."""
    structure = struct.pack(">IIII", 1, 0, 2, 9)
    head = struct.pack(">10I", 0xD00DFEED, 56 + 16, 56, 72, 40, 17, 16, 0, 0, len(structure))
    return head + bytes(16) + structure


def _write_kernels(boot: Path, packages: Path, kernel: Kernel, options: PiImageOptions) -> None:
    if options.has_kernel:
        image = _renamed(kernel, options.kernel_release)
        (boot / KERNEL_FILE).write_bytes(gzip.compress(image, 6, mtime=0))
    if options.has_initramfs:
        (boot / INITRAMFS_FILE).write_bytes(initramfs(packages, kernel, options))
    if options.second_kernel:
        release = second_release(kernel)
        (boot / "kernel_2712.img").write_bytes(gzip.compress(_renamed(kernel, release), 1, mtime=0))
        (boot / "initramfs_2712").write_bytes(initramfs(packages, kernel, options, release))
    for name in ("7", "7l") if options.old_kernels else ():
        (boot / f"kernel{name}.img").write_bytes(_old_kernel())
        (boot / f"initramfs{name}").write_bytes(b"070701" + b"0" * 104)


def second_release(kernel: Kernel) -> str:
    """Another release, as long as Debian's."""
    return kernel.release.removesuffix("arm64") + "v2712"


def _renamed(kernel: Kernel, release: str) -> bytes:
    image, old = kernel.image.read_bytes(), f"Linux version {kernel.release} ".encode()
    new = f"Linux version {release or kernel.release} ".encode()
    assert len(new) == len(old), "the other release must be as long as Debian's"
    return image.replace(old, new)


def _old_kernel() -> bytes:
    """What tells an ARM zImage of 32 bits (arch/arm/boot/compressed/head.S), and nothing else."""
    return bytes(0x24) + struct.pack("<I", 0x016F2818) + bytes(4096)


def _write_boot_partition(disk: Path, boot: Path, options: PiImageOptions) -> None:
    partition = f"{disk}@@{BOOT_START_BYTES}"
    sectors = str(BOOT_BYTES // 512)
    _run(
        "mformat",
        "-i",
        partition,
        "-F",
        "-v",
        "bootfs",
        "-T",
        sectors,
        "-h",
        "64",
        "-s",
        "32",
        "-c",
        "1",
        "::",
    )
    _run("mcopy", "-s", "-i", partition, *(str(path) for path in sorted(boot.iterdir())), "::/")
    if options.is_full:
        filler = boot / "filler"
        free = int(_run("minfo", "-i", partition, "::").split("free clusters=")[1].split()[0])
        filler.write_bytes(bytes(free * 512 - 512))
        _run("mcopy", "-i", partition, str(filler), "::/filler")


def _write_root(root: Path, packages: Path, kernel: Kernel, options: PiImageOptions) -> None:
    for name in (
        "dev",
        "proc",
        "sys",
        "run",
        "tmp",
        "etc",
        "boot/firmware",
        "usr/bin",
        "usr/sbin",
        "usr/lib",
    ):
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib"):
        (root / name).symlink_to(f"usr/{name}")
    shutil.copyfile(packages / "busybox-static/bin/busybox", root / "usr/bin/busybox")
    (root / "usr/bin/sh").symlink_to("busybox")
    shutil.copyfile(HERE / "guest/init.sh", root / "usr/sbin/init")
    for name in ("usr/bin/busybox", "usr/sbin/init"):
        (root / name).chmod(0o755)
    (root / "etc/fstab").write_text(FSTAB)
    (root / "usr/lib/os-release").write_text('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n')
    releases = [kernel.release, *([second_release(kernel)] if options.second_kernel else [])]
    for release in releases:
        kernel.install(kernel.for_root(), root, release, options.module_packing)


def _write_root_partition(disk: Path, work: Path, root: Path) -> None:
    partition = work / "root.ext4"
    words = [
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-L",
        "rootfs",
        "-E",
        "root_owner=0:0,lazy_itable_init=1",
        "-m",
        "0",
    ]
    _run(*words, "-d", str(root), str(partition), f"{ROOT_BYTES // 1024}k")
    copy = ["dd", f"if={partition}", f"of={disk}", "bs=1M", f"seek={ROOT_START_BYTES // MIB}"]
    _run(*copy, "conv=notrunc,sparse", "status=none")


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, f"{argv[0]} says: {done.stderr.decode()[-300:]}"
    return done.stdout.decode(errors="replace")
