"""Disks in a virtual machine's format: what qemu-img(1) says of them, and what is refused.

Such a file may name other files, and qemu would read them: nothing but the file itself is accepted. Its
format is always the one that was told by the first bytes; qemu never guesses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netboot_site.errors import ValidationError
from netboot_site.system import look_with

DRIVERS = {"qcow2": "qcow2", "vmdk": "vmdk", "vhdx": "vhdx", "vhd": "vpc", "vdi": "vdi"}
_REPORT_BYTES = 1024 * 1024
_LOOK_SECONDS = 30.0


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
