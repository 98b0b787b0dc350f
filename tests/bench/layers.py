"""Many layers over one version, how fast they are there, and what they cost: `python -m tests.bench.layers`.

Prints a table for docs/PERFORMANCE.md. It needs fusermount3 and /dev/fuse, as `make up` does.
"""

from __future__ import annotations

import functools
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests import early  # noqa: F401  # Django's settings, before the store is imported
from tests.bench.convergence import memory_mib, seconds

if TYPE_CHECKING:
    from images.ports import LayerFile, LayerStore

HEADER = (
    "| overlays | size of each | made and served (s) | slowest (ms) | memory of a process, median (MiB) "
    "| largest (MiB) | to look at all (ms) | to end all (s) |\n|---|---|---|---|---|---|---|---|"
)
COUNT = 200
SIZE_BYTES = 2**40
CHAIN = 4  # versions under each overlay
LOOKS = 50
WORK_BYTES = 2 * 2**20


def write_some(path: str) -> None:
    """What a machine leaves in an overlay, all over it: caches are in use when memory is measured."""
    with Path(path).open("r+b", buffering=0) as file:
        for part in range(32):
            file.seek(part * SIZE_BYTES // 32)
            file.write(b"w" * (WORK_BYTES // 32))


def make_version(store: LayerStore, folder: Path) -> list[LayerFile]:
    """A raw disk and some versions published on it, the newest first."""
    from images.ports import LayerFile

    chain = [LayerFile(str(folder / "head-1.raw"), "raw")]
    with Path(chain[0].path).open("wb") as file:
        file.truncate(SIZE_BYTES)
    for number in range(2, CHAIN + 1):
        path = str(folder / f"layer-{number}.qcow2")
        store.create(path, SIZE_BYTES, chain[0])
        chain.insert(0, LayerFile(path, "qcow2"))
    return chain


def give(store: LayerStore, folder: Path, chain: list[LayerFile], number: int) -> None:
    """An overlay, made and served."""
    from images.ports import LayerFile

    path = str(folder / f"overlay-{number}.qcow2")
    store.create(path, SIZE_BYTES, chain[0])
    store.serve(f"e{number}", [LayerFile(path, "qcow2"), *chain])


def measure(folder: Path, count: int) -> str:
    """The row of the table."""
    from images import qemu_serving
    from images.qemu import QemuLayerStore

    run_path = folder / "run"
    store = QemuLayerStore(run_path)
    chain = make_version(store, folder)
    try:
        times = [seconds(functools.partial(give, store, folder, chain, number)) for number in range(count)]
        for served in store.observe().values():
            write_some(served.path)
        memory = [memory_mib(one.pid) for one in qemu_serving.all_serving(run_path)]
        look = statistics.median(seconds(store.observe) for _ in range(LOOKS))
    finally:
        end = seconds(lambda: qemu_serving.clear_all(run_path))
    cells = [
        str(len(memory)), f"{SIZE_BYTES // 2**40} TiB", f"{sum(times):.1f}", f"{max(times) * 1000:.0f}",
        f"{statistics.median(memory):.1f}", f"{max(memory):.1f}", f"{look * 1000:.1f}", f"{end:.1f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory(prefix="nb-layers-") as folder:
        sys.stdout.write(f"{HEADER}\n{measure(Path(folder), COUNT)}\n")


if __name__ == "__main__":
    main()
