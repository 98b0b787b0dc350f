"""The segment that is put behind an initramfs without iSCSI: programs, kernel modules and a hook.

All its paths are its own: in many an initramfs `bin`, `lib` and `sbin` are links into `usr`, and the kernel
puts a folder of an archive in the place of a link of that name. The hook is `scripts/netboot`, which the init
of initramfs-tools reads for `boot=netboot`.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

from images.raspberry_pi.initiator import Initiator
from netboot_site import cpio

HERE = Path(__file__).parent / "guest"
_ALIGNED_BYTES = 4  # the kernel finds no plain archive that starts anywhere else (init/initramfs.c)
_ENDING_BYTES = 4  # zeros by which the kernel's lz4 sees that nothing follows (lib/decompress_unlz4.c)
Module = tuple[str, bytes]  # a kernel module's name and unpacked content


def segment(initiator: Initiator, modules: Mapping[str, Sequence[Module]]) -> bytes:
    """The archive; `modules` are those of each kernel release, in the order in which they are loaded."""
    entries = [
        cpio.file("scripts/netboot", (HERE / "netboot.sh").read_bytes()),
        cpio.file("netboot/iscsid.conf", (HERE / "iscsid.conf").read_bytes()),
        cpio.file("netboot/udhcpc.sh", (HERE / "udhcpc.sh").read_bytes(), executable=True),
    ]
    for name, path in initiator.files.items():
        entries.append(cpio.file(f"netboot/{name}", path.read_bytes(), executable=True))
    for release, ordered in modules.items():
        folder = f"netboot/modules/{release}"
        entries += [cpio.file(f"{folder}/{name}", data) for name, data in ordered]
        entries.append(cpio.file(f"{folder}/order", "".join(f"{name}\n" for name, _ in ordered).encode()))
    return gzip.compress(cpio.archive(entries), compresslevel=6, mtime=0)


def append(stock: Path, added: bytes, target: Path) -> None:
    """Write the stock initramfs with the segment behind it."""
    size = stock.stat().st_size
    with stock.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(1024 * 1024):
            writer.write(block)
        writer.write(bytes(_ENDING_BYTES + -size % _ALIGNED_BYTES))
        writer.write(added)
