"""Reads a growing log from where it was left: after a rotation, a truncation, a restart of the reader."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

READ_BYTES = 16 * 1024  # one transaction's worth: a check-in of the same machine waits for its end
_OLDER_FILES = 5


@dataclass(frozen=True, slots=True)
class Position:
    """How far a log has been read: which file (its inode), and its byte offset."""

    inode: int
    offset: int


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line, and where the next one starts."""

    text: str
    after: Position


def read_lines(path: Path, position: Position | None) -> list[Line]:
    """The next whole lines after a position (None: from the oldest there are), READ_BYTES of them or so.

    What was rotated away is finished before the newer file is begun.
    """
    files = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, _OLDER_FILES + 1))]
    for older, file in enumerate(files):
        if position is not None and _inode(file) == position.inode:
            return _read_on(files[: older + 1], position.offset)
    return _read_on(files if position is None else [path], 0)


def _read_on(files: list[Path], offset: int) -> list[Line]:
    """Lines of the last of these files from there on, then of the ones before it from their beginning."""
    lines: list[Line] = []
    for file in reversed(files):
        more, is_finished = _read_file(file, offset)
        lines += more
        if not is_finished:
            break
        offset = 0
    return lines


def _read_file(path: Path, offset: int) -> tuple[list[Line], bool]:
    """Its next lines, and whether these are all."""
    try:
        with path.open("rb") as log:
            status = os.fstat(log.fileno())
            start = offset if offset <= status.st_size else 0  # shorter than it was: begun anew
            log.seek(start)
            data = log.read(READ_BYTES)
    except FileNotFoundError:
        return [], True
    return _cut(data, status.st_ino, start), len(data) < READ_BYTES


def _cut(data: bytes, inode: int, start: int) -> list[Line]:
    *whole, _rest = data.split(b"\n")
    if not whole and len(data) == READ_BYTES:
        whole = [data[:-1]]  # no line of ours is that long: pass over it
    lines = []
    for raw in whole:
        start += len(raw) + 1
        text = raw.decode(errors="replace").rstrip("\r").replace("\0", "")
        lines.append(Line(text, Position(inode, start)))
    return lines


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
