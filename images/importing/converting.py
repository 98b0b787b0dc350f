"""Makes a raw disk out of a virtual machine's format: qemu-img(1) does it, we watch."""

from __future__ import annotations

import os
import re
import select
from collections.abc import Callable
from pathlib import Path

from images.importing import containers
from images.importing.limits import Budget, check_fits
from images.sparse import BLOCK_BYTES, PartFile
from netboot_site.errors import ValidationError
from netboot_site.system import Process, start_filter

WATCH_PERIOD_SECONDS = 0.5
_PERCENT = re.compile(rb"\((\d{1,3}\.\d\d)/100%\)")
_ST_BLOCK_BYTES = 512  # stat(2)
Report = Callable[[int, int], None]  # done and all bytes; raises when no more is wanted


def convert(source: Path, kind: str, target: Path, report: Report) -> int:
    """Write the disk in `source` into `target`, whose zeros stay holes; returns its size.

    Raises ValidationError for what cannot be read or takes too much, ConflictError where no room is left.
    """
    size_bytes = containers.check(source, kind)
    budget = Budget(target.parent)
    budget.check(size_bytes, 0, 0)
    containers.check_whole(source, kind)
    with PartFile(target, 0) as part:
        part.extend(size_bytes)
    argv = [
        "qemu-img", "convert", "-p", "-n", "--target-is-zero", "-S", str(BLOCK_BYTES), "-W",
        "-f", containers.DRIVERS[kind], "-O", "raw", str(source), str(target),
    ]  # fmt: skip
    process = start_filter(argv)
    try:
        _watch(process, size_bytes, report, lambda: _check(budget, source, target, size_bytes))
        if process.wait() != 0:
            check_fits(1, target.parent)  # it may have been the room that failed it
            raise ValidationError(f"This {kind} file is damaged or cut off: qemu-img cannot read all of it.")
    finally:
        process.kill()
        process.communicate()
    return size_bytes


def _watch(process: Process, size_bytes: int, report: Report, check: Callable[[], None]) -> None:
    """Tell how far it is until it closes its output."""
    if process.stdout is None:
        raise ValueError("it was started without a pipe")
    share, words = 0.0, b""
    while True:
        ready, _, _ = select.select([process.stdout], [], [], WATCH_PERIOD_SECONDS)
        if ready:
            more = os.read(process.stdout.fileno(), 4096)
            if not more:
                return
            words = (words + more)[-64:]
            share = float(found[-1]) / 100 if (found := _PERCENT.findall(words)) else share
        report(int(share * size_bytes), size_bytes)
        check()


def _check(budget: Budget, source: Path, target: Path, size_bytes: int) -> None:
    stored = target.stat().st_blocks * _ST_BLOCK_BYTES
    budget.check(size_bytes, stored, source.stat().st_size)
