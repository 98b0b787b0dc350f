"""The kernel of the built disks, and those of its modules that matter to a Raspberry Pi."""

from __future__ import annotations

import lzma
import shutil
import subprocess
from pathlib import Path

from netboot_site.modules import in_load_order

_FOLDERS = [
    "drivers/net/usb", "drivers/net/phy", "drivers/net/mdio", "drivers/usb/dwc2", "drivers/usb/host",
    "drivers/net/ethernet/broadcom/genet", "drivers/net/ethernet/cadence", "drivers/mmc", "fs/ext4",
]  # fmt: skip
_MORE = ["iscsi_tcp", "sd_mod", "crc32c_generic", "vfat", "nls_ascii", "nls_cp437", "usb_storage", "macb"]


class Kernel:
    """Debian's, as its package unpacks."""

    def __init__(self, packages: Path) -> None:
        self.image = next((packages / "kernel/boot").glob("vmlinuz-*"))
        self.release = self.image.name.removeprefix("vmlinuz-")
        self.folder = packages / "kernel/lib/modules" / self.release
        self.device_trees = packages / "kernel/usr/lib" / f"linux-image-{self.release}" / "broadcom"

    def closure(self, names: list[str]) -> list[Path]:
        """The modules and what they need."""
        return in_load_order(self.folder / "kernel", names)

    def for_root(self) -> list[Path]:
        """Those that the root file system of a built disk has."""
        folders = [self.folder / "kernel" / name for name in _FOLDERS]
        names = sorted(path.stem for folder in folders for path in folder.rglob("*.ko"))
        return self.closure([*names, *_MORE])

    def install(self, modules: list[Path], root: Path, release: str, packing: str = "") -> None:
        """Put modules, packed or not, and their lists below `root`/lib/modules/`release`."""
        folder = root / "lib/modules" / release
        for path in modules:
            target = folder / path.relative_to(self.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            _pack(path, target, packing)
        for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
            shutil.copyfile(self.folder / name, folder / name)
        argv = ["depmod", "--basedir", str(root), release]
        subprocess.run(argv, check=True, timeout=60, capture_output=True)


def _pack(path: Path, target: Path, packing: str) -> None:
    data = path.read_bytes()
    if packing == "xz":
        data = lzma.compress(data, check=lzma.CHECK_CRC32, preset=1)
    elif packing == "zst":
        argv = ["zstd", "-q", "-1", "-c", str(path)]
        data = subprocess.run(argv, check=True, timeout=60, capture_output=True).stdout
    (target.parent / f"{target.name}{'.' if packing else ''}{packing}").write_bytes(data)
