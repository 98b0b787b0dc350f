"""What a built disk can differ in."""

from __future__ import annotations

from dataclasses import dataclass

KERNEL_FILE = "kernel8.img"
INITRAMFS_FILE = "initramfs8"
DISK_ID = 0x6C586E13
ROOT = f"PARTUUID={DISK_ID:08x}-02"
# As pi-gen leaves it, with what makes the root's first program ours and the kernel quick under emulation.
CMDLINE = f"console=serial0,115200 console=tty1 root={ROOT} rootfstype=ext4 fsck.repair=yes rootwait"
CONFIG = """\
# For more options and information see
# http://rptl.io/configtxt
dtparam=audio=on
camera_auto_detect=1
display_auto_detect=1

# Automatically load initramfs files, if found
auto_initramfs=1

# Enable DRM VC4 V3D driver
dtoverlay=vc4-kms-v3d
max_framebuffers=2
disable_fw_kms_setup=1
arm_64bit=1

[cm4]
otg_mode=1

[all]
"""


@dataclass(frozen=True, slots=True)
class PiImageOptions:
    """A stock-like Raspberry Pi OS unless told otherwise."""

    has_kernel: bool = True
    has_initramfs: bool = True
    compression: str = "zstd"  # of the initramfs: zstd, gzip, xz, lz4 or none
    has_early_segment: bool = (
        False  # an uncompressed segment before the compressed one, as microcode is on a PC
    )
    is_usr_merged: bool = True  # bin, lib and sbin of the initramfs are links into usr
    shell: str = "busybox"  # of the initramfs; klibc's where busybox is not installed
    iscsi: str = ""  # the initramfs's own: "" or "open-iscsi" or "dracut"
    module_packing: str = "xz"  # of the root's kernel modules: xz, zst or "" for none
    kernel_release: str = ""  # another release than that of the root's modules, as long as theirs
    second_kernel: bool = False  # kernel_2712.img and initramfs_2712 with modules of their own
    old_kernels: bool = False  # 32-bit kernel7.img and kernel7l.img with their initramfs
    is_full: bool = False  # the boot partition has no room left
    config: str = CONFIG
    cmdline: str = CMDLINE
