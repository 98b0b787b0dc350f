"""What is inside a disk: partitions, file systems, labels, the operating system where it can be told.

`inspect` gives what `Image.contents` keeps and the pages and the API show:

    {"table": "gpt" | "dos" | None,
     "partitions": [{"number": 1, "start_bytes": 1048576, "size_bytes": 536870912, "type": "EFI System",
                     "name": "", "file_system": "vfat", "label": "ESP", "uuid": "1234-ABCD"}],
     "operating_system": "Debian GNU/Linux 12 (bookworm)" | None}

A file system without a partition table is one partition with the number 0. An image that nothing was imported
into has {}. All of a disk is hostile: programs look at it, with limits, and their words are cleaned.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from images.importing.systems import operating_system
from netboot_site.system import look_with

MOST_PARTITIONS = 128  # UEFI 2.10, section 5.3.2: as many as a GPT has room for by default
_SHOWN_TABLES = {"gpt", "dos"}
_MOST_WORDS = 100
_REPORT_BYTES = 256 * 1024
# Partition types that are met in practice (UEFI 2.10, table 5.7; the Discoverable Partitions Specification;
# Microsoft's CREATE_PARTITION types), by their GUID or their byte in an MBR.
TYPES = {
    "C12A7328-F81F-11D2-BA4B-00A0C93EC93B": "EFI System",
    "21686148-6449-6E6F-744E-656564454649": "BIOS boot",
    "0FC63DAF-8483-4772-8E79-3D69D8477DE4": "Linux filesystem",
    "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709": "Linux root (x86-64)",
    "B921B045-1DF0-41C3-AF44-4C6F280D3FAE": "Linux root (ARM-64)",
    "BC13C2FF-59E6-4262-A352-B275FD6F7172": "Linux extended boot",
    "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F": "Linux swap",
    "E6D6D379-F507-44C2-A23C-238F2A3DF928": "Linux LVM",
    "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7": "Microsoft basic data",
    "E3C9E316-0B5C-4DB8-817D-F92DF00215AE": "Microsoft reserved",
    "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC": "Windows recovery",
    "1": "FAT12", "4": "FAT16", "6": "FAT16", "e": "FAT16", "b": "FAT32", "c": "FAT32", "7": "NTFS or exFAT",
    "5": "Extended", "f": "Extended", "82": "Linux swap", "83": "Linux", "8e": "Linux LVM", "ee": "GPT",
    "ef": "EFI System", "27": "Windows recovery",
}  # fmt: skip


def inspect(path: Path) -> dict[str, Any]:
    """What is inside a raw disk. What cannot be read is left out."""
    table, partitions = _partitions(path)
    for partition in partitions or [_whole(path)]:
        partition |= _file_system(path, partition["start_bytes"], partition["size_bytes"])
        if not partitions and partition["file_system"]:
            partitions = [partition]
    return {
        "table": table,
        "partitions": partitions,
        "operating_system": operating_system(path, partitions),
    }


def _partitions(path: Path) -> tuple[str | None, list[dict[str, Any]]]:
    """As sfdisk(8) reads the table."""
    report = _table(look_with(["sfdisk", "--json", str(path)], max_bytes=_REPORT_BYTES))
    kind, sector = report.get("label"), report.get("sectorsize", 512)
    if kind not in _SHOWN_TABLES or sector not in {512, 4096}:
        return None, []
    size_bytes = path.stat().st_size
    found: list[dict[str, Any]] = []
    for row in report.get("partitions", [])[:MOST_PARTITIONS]:
        start, size = int(row.get("start", 0)) * sector, int(row.get("size", 0)) * sector
        if 0 <= start < size_bytes and size > 0:
            found.append(_partition(row, len(found) + 1, start, size))
    return kind, found


def _table(report: bytes) -> dict[str, Any]:
    try:
        table = json.loads(report.decode(errors="replace"))["partitiontable"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


def _partition(row: dict[str, Any], place: int, start: int, size: int) -> dict[str, Any]:
    number = re.search(r"(\d{1,4})$", str(row.get("node", "")))
    kind = str(row.get("type", ""))
    return {
        "number": int(number[1]) if number else place,
        "start_bytes": start,
        "size_bytes": size,
        "type": TYPES.get(kind.upper(), TYPES.get(kind.lower(), clean(kind))),
        "name": clean(str(row.get("name", ""))),
    }


def _whole(path: Path) -> dict[str, Any]:
    return {"number": 0, "start_bytes": 0, "size_bytes": path.stat().st_size, "type": "", "name": ""}


def _file_system(path: Path, start: int, size: int) -> dict[str, str]:
    """As blkid(8) tells it from the bytes alone."""
    argv = ["blkid", "--probe", "--output", "export", "--usages", "filesystem,raid,crypto,other"]
    report = look_with(
        [*argv, "--offset", str(start), "--size", str(size), str(path)], max_bytes=_REPORT_BYTES
    )
    words = dict(line.split("=", 1) for line in report.decode(errors="replace").splitlines() if "=" in line)
    return {
        "file_system": clean(words.get("TYPE", "")),
        "label": clean(_unescaped(words.get("LABEL", ""))),
        "uuid": clean(words.get("UUID", "")),
    }


def _unescaped(text: str) -> str:
    """`export` is written for a shell: blkid puts a backslash before what a shell would read."""
    return re.sub(r"\\(.)", r"\1", text)


def clean(text: str) -> str:
    """Words of a disk, fit to be shown: one line, printable, not long."""
    return "".join(sign for sign in text if sign.isprintable()).strip()[:_MOST_WORDS]
