"""Finds a disk's boot partition for a Raspberry Pi and copies its files out, within limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from images.contents import clean
from images.raspberry_pi.fat import Entry, Fat, FatError
from netboot_site.errors import ValidationError

MOST_FILES = 1000
MOST_FILE_BYTES = 128 * 1024**2
MOST_TOGETHER_BYTES = 1024**3
_TOO_MANY = f"The boot partition holds more than {MOST_FILES} files. Remove some of them."
_MOST_DEPTH = 4
_MOST_PATH = 200
_MOST_FOLDERS = 200
_MOST_NAMES = 10 * MOST_FILES  # with those that are left out
_PLAIN = re.compile(r"[A-Za-z0-9_+@][A-Za-z0-9._+@-]*")
# What other systems leave on a memory card; nothing asks for it.
_LITTER = re.compile(r"\..*|System Volume Information|FOUND\.\d{3}|lost\+found", re.IGNORECASE)
_FIRMWARE = re.compile(r"bootcode\.bin|start\w*\.elf|kernel\w*\.img|bcm2[78]\d\d\S*\.dtb", re.IGNORECASE)
_SETTINGS = {"config.txt", "cmdline.txt"}
Report = Callable[[int, int], None]


@dataclass(slots=True)
class BootPartition:
    """What was copied out of it, by path, and what could not be."""

    files: dict[str, Path] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def find(disk: BinaryIO, partitions: Sequence[Mapping[str, Any]]) -> Fat | None:
    """The first FAT file system that has a Raspberry Pi's boot files.

    Raises ValidationError if there is none that can be read, and one that cannot.
    """
    fault: FatError | None = None
    for partition in partitions:
        if partition["file_system"] != "vfat":
            continue
        try:
            fat = Fat(disk, partition["start_bytes"], partition["size_bytes"])
            if _is_for_a_pi({entry.name for entry in fat.root()}):
                return fat
        except FatError as error:
            fault = fault or error
    if fault is not None:
        raise ValidationError(f"The boot partition is damaged ({fault}). Write the image again.")
    return None


def _is_for_a_pi(names: set[str]) -> bool:
    has_settings = bool(_SETTINGS & {name.lower() for name in names})
    return has_settings and any(_FIRMWARE.fullmatch(name) for name in names)


def copy_out(fat: Fat, folder: Path, report: Report) -> BootPartition:
    """Copy its files into the folder, under numbers. Raises ValidationError if they are too many or large."""
    found = BootPartition()
    chosen = _chosen(fat, found.warnings)
    total = sum(entry.size_bytes for _, entry in chosen)
    if len(chosen) > MOST_FILES:
        raise ValidationError(_TOO_MANY)
    if total > MOST_TOGETHER_BYTES:
        raise ValidationError("The boot partition holds more than 1 GiB of files. Remove some of them.")
    done = 0
    for number, (path, entry) in enumerate(chosen):
        target = folder / str(number)
        try:
            fat.copy(entry, target)
            found.files[path] = target
        except FatError as error:
            target.unlink(missing_ok=True)
            found.warnings.append(f"{path} is damaged ({error}) and was left out.")
        done += entry.size_bytes
        report(done, total)
    return found


def _chosen(fat: Fat, warnings: list[str]) -> list[tuple[str, Entry]]:
    """The files that can be served, with their paths."""
    chosen: dict[str, tuple[str, Entry]] = {}
    strange: list[str] = []
    for path, entry in _walk(fat, warnings):
        if not all(_PLAIN.fullmatch(part) for part in path.split("/")) or len(path) > _MOST_PATH:
            strange.append(clean(path))
        elif path.casefold() in chosen:
            warnings.append(f"{path} is there twice, once in other letters; the first one counts.")
        elif entry.size_bytes > MOST_FILE_BYTES:
            warnings.append(f"{path} is larger than {MOST_FILE_BYTES // 1024**2} MiB and was left out.")
        else:
            chosen[path.casefold()] = (path, entry)
    if strange:
        warnings.append(f"{_counted(len(strange))} with an unusual name, left out: {', '.join(strange[:3])}.")
    return list(chosen.values())


def _counted(number: int) -> str:
    return "One file" if number == 1 else f"{number} files"


def _walk(fat: Fat, warnings: list[str]) -> Iterator[tuple[str, Entry]]:
    """All files; each folder once, however often and wherever it is named."""
    waiting = [("", fat.root())]
    seen: set[int] = set()
    names = 0
    while waiting:
        folder, entries = waiting.pop()
        names += len(entries)
        if names > _MOST_NAMES:
            raise ValidationError(_TOO_MANY)
        for entry in entries:
            path = f"{folder}{entry.name}"
            if _LITTER.fullmatch(entry.name):
                continue
            if not entry.is_folder:
                yield path, entry
            elif entry.cluster in seen or len(seen) >= _MOST_FOLDERS or path.count("/") >= _MOST_DEPTH - 1:
                warnings.append(f"The folder {clean(path)} was left out: it is too deep, or one of too many.")
            else:
                seen.add(entry.cluster)
                waiting += _opened(fat, entry, path, warnings)


def _opened(fat: Fat, entry: Entry, path: str, warnings: list[str]) -> list[tuple[str, list[Entry]]]:
    try:
        return [(f"{path}/", fat.folder(entry.cluster))]
    except FatError as error:
        warnings.append(f"The folder {clean(path)} is damaged ({error}) and was left out.")
        return []
