"""config.txt as a Pi's firmware reads it, as far as it decides which files are fetched."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.system.boots.pi.boards import Board

LINE_MAX = 98  # characters; the rest of a longer line is ignored
_INCLUDE_DEPTH = 10
_MODELS = {"pi0", "pi0w", "pi02", "pi1", "pi2", "pi3", "pi3+", "pi4", "pi400", "cm0", "cm1", "cm3", "cm3+",
           "cm4", "cm4s", "pi5", "pi500", "cm5"}  # fmt: skip


@dataclass
class Config:
    """The properties that hold for one board."""

    values: dict[str, str] = field(default_factory=dict)
    overlays: list[str] = field(default_factory=list)
    initramfs: list[str] = field(default_factory=list)

    def on(self, name: str, default: str = "0") -> bool:
        return self.values.get(name, default) == "1"

    def name(self, key: str, default: str) -> str:
        return self.values.get(key) or default


class Reader:
    """Goes through the lines; `read` gives an included file's text, or None."""

    def __init__(self, board: Board, read: Callable[[str], str | None]) -> None:
        self.board, self.read = board, read
        self.config = Config()

    def take(self, text: str, depth: int = 0) -> Config:
        filters: dict[str, bool] = {}
        for raw in text.splitlines():
            line = raw[:LINE_MAX].strip()
            if not line or line.startswith("#"):
                continue
            if section := re.fullmatch(r"\[(.*)\]", line):
                self._filter(section[1].strip().lower(), filters)
            elif all(filters.values()):
                self._line(line, depth)
        return self.config

    def _filter(self, name: str, filters: dict[str, bool]) -> None:
        """Filters of one kind replace each other, of several kinds all have to hold; [all] ends them."""
        model = self.board.model.key
        if name == "all":
            filters.clear()
        elif name == "none":
            filters["none"] = False
        elif name in _MODELS:
            # A 3B+ is a Pi 3 too.
            filters["model"] = name == model or (name == "pi3" and model == "pi3+")
        elif name.startswith("0x"):
            filters["serial"] = int(name, 16) == int(self.board.short_serial, 16)
        else:
            filters[name.partition("=")[0]] = False  # displays, GPIO, tryboot: none of them here

    def _line(self, line: str, depth: int) -> None:
        name, equals, value = line.partition("=")
        words = line.split()
        if words[0] == "include" and len(words) == 2:
            text = self.read(words[1]) if depth < _INCLUDE_DEPTH else None
            self.take(text or "", depth + 1)
        elif words[0] == "initramfs" and len(words) >= 2:
            self.config.initramfs = words[1].split(",")
        elif name == "ramfsfile":
            self.config.initramfs = value.split(",")
        elif name == "dtoverlay":
            self._overlay(value)
        elif equals:
            self.config.values[name.strip()] = value.strip()

    def _overlay(self, value: str) -> None:
        name = value.split(",")[0].split(":")[0].strip()
        if name:
            self.config.overlays.append(name)


def initramfs_beside(kernel: str) -> str:
    """What auto_initramfs looks for: `kernel8.img` has `initramfs8`."""
    name = kernel.rpartition("/")[2].removesuffix(".img")
    return name.replace("kernel", "initramfs", 1) if name.startswith("kernel") else ""
