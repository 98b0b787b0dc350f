"""Disks in a virtual machine's format: what qemu-img(1) says of them, and what is refused.

Such a file may name other files, and qemu would read them: nothing but the file itself is accepted. Its
format is always the one that was told by the first bytes; qemu never guesses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netboot_site.errors import ValidationError
from netboot_site.system import look_with, start_filter

DRIVERS = {"qcow2": "qcow2", "vmdk": "vmdk", "vhdx": "vhdx", "vhd": "vpc", "vdi": "vdi"}
_REPORT_BYTES = 1024 * 1024
_LOOK_SECONDS = 30.0
_CHECK_SECONDS = 600.0  # it reads all tables, of a disk of many terabytes
_CHECKED = {"qcow2", "vmdk", "vhdx", "vdi"}  # qemu-img checks no vhd, and refuses a short one by itself
# Such a file's length is a multiple of this (MS-VHDX, section 2.1; VMware's Virtual Disk Format 5.0).
_STEPS = {"vhdx": 1024**2, "vmdk": 512}
_LENGTH, _OFFSET = re.compile(rb'"length": (\d{1,18})'), re.compile(rb'"offset": (\d{1,18})')


def check(path: Path, kind: str) -> int:
    """The size of the disk in it. Raises ValidationError for what cannot be read, or names anything else."""
    report = _info(path, kind)
    reason = next(_dangers(report, path), "")
    if reason:
        raise ValidationError(f"This {kind} file {reason}; import a disk that is whole in one file.")
    size = report.get("virtual-size")
    if not isinstance(size, int) or size <= 0:
        raise ValidationError(f"This {kind} file holds no disk.")
    return size


def _info(path: Path, kind: str) -> dict[str, Any]:
    argv = ["qemu-img", "info", "--output=json", "-U", "-f", DRIVERS[kind], str(path)]
    answer = look_with(argv, max_bytes=_REPORT_BYTES, timeout_seconds=_LOOK_SECONDS)
    try:
        report = json.loads(answer)
    except (ValueError, RecursionError):
        report = None
    if not isinstance(report, dict):
        raise ValidationError(f"This {kind} file is damaged or cut off, or is not all of it.")
    return report


def _dangers(report: dict[str, Any], path: Path) -> Iterator[str]:
    """What is wrong with it, in words that follow `This qcow2 file`."""
    if any(name in report for name in ("backing-filename", "full-backing-filename")):
        yield "stands on another file"
    details = report.get("format-specific", {}).get("data", {})
    if "data-file" in details or details.get("data-file-raw"):
        yield "keeps its data in another file"
    if report.get("encrypted") or "encrypt" in details:
        yield "is encrypted"
    if any(Path(extent.get("filename", "")) != path for extent in details.get("extents", [])):
        yield "names other files"
    if details.get("corrupt"):
        yield "is marked as damaged"


def check_whole(path: Path, kind: str) -> None:
    """qemu reads what lies behind a file's end as zeros; so a file that was cut off is told here.

    Raises ValidationError.
    """
    driver, size_bytes = DRIVERS[kind], path.stat().st_size
    if size_bytes % _STEPS.get(kind, 1):
        raise _cut_off(kind)
    argv = ["qemu-img", "check", "--output=json", "-U", "-f", driver, str(path)]
    answer = look_with(argv, max_bytes=_REPORT_BYTES, timeout_seconds=_CHECK_SECONDS)
    try:
        report = json.loads(answer) if kind in _CHECKED else {}
    except ValueError:
        raise _cut_off(kind) from None
    if report.get("check-errors") or report.get("corruptions"):
        raise _cut_off(kind)
    if _end_of_data(path, driver) > size_bytes:
        raise _cut_off(kind)


def _end_of_data(path: Path, driver: str) -> int:
    """Where in the file its last bytes of the disk are; one extent stands on each line."""
    end, process = 0, start_filter(["qemu-img", "map", "--output=json", "-U", "-f", driver, str(path)])
    try:
        for line in process.stdout or ():
            length, offset = _LENGTH.search(line), _OFFSET.search(line)
            if length and offset:
                end = max(end, int(length[1]) + int(offset[1]))
    finally:
        process.kill()
        process.communicate()
    return end


def _cut_off(kind: str) -> ValidationError:
    return ValidationError(f"This {kind} file is damaged or cut off.")
