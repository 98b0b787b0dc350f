"""How long Raspberry Pis wait for their files: `python -m tests.bench.pi`.

The boot ROM is played by a client in Python, on the same processors as dnsmasq. The same client reads one big
file alone for comparison: what it gets then is the speed of this wire.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests import early  # noqa: F401  # Django's settings, before anything of bootflow is imported
from tests.bench.convergence import memory_mib
from tests.system.boots.pi.boards import MODELS, PI_4B, Board
from tests.system.boots.pi.place import PlayedPi, plugged, power_on_together
from tests.system.boots.pi.rom import Fetched
from tests.system.boots.pi.room import SERVER_MODE, enrol, make_set, room, small_files, wait_for_trees
from tests.system.instance import Instance

TOGETHER, ALL = 30, 100
MB = 1000**2
# As Raspberry Pi OS (Bookworm, 64 bits) has them, to a few percent.
SIZES = {
    "bootcode.bin": 52_476, "start.elf": 2_979_000, "fixup.dat": 7_300, "start4.elf": 2_255_000,
    "fixup4.dat": 5_450, "kernel8.img": 9_350_000, "initramfs8": 11_000_000,
    "overlays/vc4-kms-v3d.dtbo": 3_900,
}  # fmt: skip
PLACES = (".store", ".sets", ".trees")  # of the TFTP root: what the waiting system takes is not counted
REFERENCE = "reference.bin"
REFERENCE_BYTES = 25 * MB
HEADER = (
    "| | files of each (MB) | DHCP to last file, median (s) | slowest (s) | together (MB/s) "
    "| one big file, one client (MB/s) | asked again | dnsmasq's memory (MiB) |\n"
    "|---|---|---|---|---|---|---|---|"
)


def big_files() -> dict[str, bytes]:
    """Contents that compress to nothing less, as firmware and kernels do."""
    return small_files() | {name: os.urandom(size) for name, size in SIZES.items()}


def reference(instance: Instance) -> float:
    """MB/s of one client that reads one big file, asking as a Pi 4 does."""
    path = instance.data_path / "tftp" / REFERENCE
    path.write_bytes(os.urandom(REFERENCE_BYTES))
    path.chmod(0o644)
    with PlayedPi(Board.numbered(PI_4B, 999), instance.wire) as pi:
        client = pi.ask(REFERENCE, REFERENCE, REFERENCE)
    path.unlink()
    assert all(one.size_bytes == REFERENCE_BYTES for one in client.transfers), client.transfers
    return REFERENCE_BYTES / MB / statistics.median(one.seconds for one in client.transfers)


def row(instance: Instance, name: str, boards: list[Board]) -> str:
    """Those boards, switched on at one moment."""
    alone = reference(instance)
    with plugged(PlayedPi(board, instance.wire) for board in boards) as pis:
        began = time.monotonic()
        became = power_on_together(pis)
        took = time.monotonic() - began
    failed = [one for one in became if not isinstance(one, Fetched)]
    assert not failed, failed
    whole = [one for one in became if isinstance(one, Fetched)]
    pid = int((instance.data_path / "dnsmasq" / "dnsmasq.pid").read_text())
    cells = [
        name, f"{statistics.mean(one.bytes_read for one in whole) / MB:.1f}",
        f"{statistics.median(one.seconds for one in whole):.1f}", f"{max(one.seconds for one in whole):.1f}",
        f"{sum(one.bytes_read for one in whole) / MB / took:.0f}", f"{alone:.0f}",
        str(sum(file.resent for one in whole for file in one.transfers)), f"{memory_mib(pid):.1f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def stored(instance: Instance, boards: list[Board]) -> str:
    """A sentence of what a set costs that all of them share."""
    root = instance.data_path / "tftp"
    files = [path for place in PLACES for path in (root / place).rglob("*") if path.is_file()]
    blocks = {path.stat().st_ino: path.stat().st_blocks for path in files}
    of_set = sum(len(data) for data in big_files().values())
    return (
        f"{len(boards)} Raspberry Pis share a kernel set of {of_set / MB:.1f} MB; with all their "
        f"trees it takes {sum(blocks.values()) * 512 / MB:.1f} MB of the disk."
    )


def measure(folder: Path) -> str:
    """The table, and what storage costs."""
    boards = [Board.numbered(MODELS[number % len(MODELS)], number) for number in range(1, ALL + 1)]
    with room(folder, SERVER_MODE) as instance:
        make_set(instance, "big", big_files())
        for board in boards:
            enrol(instance, board, kernel_set="big")
        began = time.monotonic()
        wait_for_trees(instance, boards, 120)
        last = time.monotonic() - began
        alone = [board for board in boards if board.model is PI_4B][:1]
        rows = [
            row(instance, "one Pi 4", alone),
            row(instance, f"{TOGETHER} of four models together", boards[:TOGETHER]),
        ]
        told = stored(instance, boards)
    ready = f"The last of {ALL} trees was ready {last:.1f} s after the last device had been registered."
    return "\n".join([HEADER, *rows, "", told, ready])


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="nb-pi-") as folder:
        Path(folder).chmod(0o755)
        sys.stdout.write(f"{measure(Path(folder))}\n")


if __name__ == "__main__":
    main()
