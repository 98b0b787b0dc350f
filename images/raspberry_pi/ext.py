"""Reads files of an ext4 file system inside a disk by debugfs(8), which mounts nothing and changes nothing.

debugfs follows links of folders inside the file system only. What it is asked for is made of plain signs, so
that no name becomes one of its words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from netboot_site.system import look_with

_PLAIN = re.compile(r"/[A-Za-z0-9._+~/-]{1,500}")
_LIST_BYTES = 64 * 1024
_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Ext:
    """A file system that starts at a byte of a disk."""

    disk: Path
    start: int

    def names(self, folder: str) -> list[str]:
        """What is in a folder; nothing if it is not there or cannot be read."""
        rows = self._ask(f"ls -p {folder}", folder, _LIST_BYTES).decode(errors="replace").splitlines()
        names = [row.split("/")[5] for row in rows if row.count("/") >= 6]  # /inode/mode/uid/gid/name/size/
        return [name for name in names if name not in {"", ".", ".."}]

    def read(self, path: str, most_bytes: int) -> bytes:
        """A file's content, at most so much of it; empty if it is not there or cannot be read."""
        return self._ask(f"cat {path}", path, most_bytes)

    def _ask(self, request: str, path: str, most_bytes: int) -> bytes:
        if not _PLAIN.fullmatch(path) or ".." in path.split("/"):
            return b""
        # -c: its bitmaps are not read, which a damaged file system may have lost
        argv = ["debugfs", "-c", "-R", request, f"{self.disk}?offset={self.start}"]
        return look_with(argv, max_bytes=most_bytes, timeout_seconds=_SECONDS)
