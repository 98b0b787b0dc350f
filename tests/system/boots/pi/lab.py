"""A wire with our dnsmasq alone, with the product's own configuration, and trees made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bootflow.dhcp_lab import Lab
from tests.bootflow.dhcp_lab import Wire as Cable
from tests.bootflow.running import Running, network, running_dnsmasq
from tests.system.boots.pi.boards import Board
from tests.system.instance import Wire

CONFIG = "arm_64bit=1\nauto_initramfs=1\ndtoverlay=vc4-kms-v3d\n"
CMDLINE = "console=tty1 root=PARTUUID=5ca1ab1e-02 rootwait\n"
SMALL = {"start.elf": 30_000, "start4.elf": 22_000, "fixup.dat": 700, "fixup4.dat": 500,
         "kernel8.img": 90_000, "initramfs8": 1468 * 20, "overlays/vc4-kms-v3d.dtbo": 300}  # fmt: skip


def content(name: str, size: int) -> bytes:
    """A file that tells which one it is."""
    return (name.encode() + b"\n" + b"." * size)[:size]


def make_tree(folder: Path, board: Board, sizes: dict[str, int] = SMALL) -> None:
    """Everything that the board needs, in its folder."""
    for name, size in {**sizes, **dict.fromkeys(board.model.device_trees, 3000)}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(name, size))
    (folder / "config.txt").write_text(CONFIG)
    (folder / "cmdline.txt").write_text(CMDLINE)


@contextmanager
def served(wire: Wire, mode: str) -> Iterator[Running]:
    """Our dnsmasq in this mode on the wire's bridge; the root holds bootcode.bin and nothing else."""
    cable: Cable | None = None
    lab = Lab(wire.namespace, "", cable)  # type: ignore[arg-type]
    with running_dnsmasq(lab, network(mode, wire.bridge)) as running:
        (running.folder / "tftp" / "bootcode.bin").write_bytes(content("bootcode.bin", 5000))
        yield running
