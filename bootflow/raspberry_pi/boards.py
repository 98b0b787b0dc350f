"""What a Raspberry Pi's board revision code says: exact model, memory, processor. Pure.

Source: raspberrypi/documentation, computers/raspberry-pi/revision-codes.adoc, "New-style revision codes"
(bits NOQuuuWuFMMMCCCCPPPPTTTTTTTTRRRR); the names are those of the boards' device trees.
"""

from __future__ import annotations

from dataclasses import dataclass

_NEW_STYLE = 1 << 23
_MEMORY_MIB = (256, 512, 1024, 2048, 4096, 8192, 16384)
_PROCESSORS = ("BCM2835", "BCM2836", "BCM2837", "BCM2711", "BCM2712")
_TYPES = {
    0x00: "Raspberry Pi Model A", 0x01: "Raspberry Pi Model B", 0x02: "Raspberry Pi Model A Plus",
    0x03: "Raspberry Pi Model B Plus", 0x04: "Raspberry Pi 2 Model B",
    0x06: "Raspberry Pi Compute Module", 0x08: "Raspberry Pi 3 Model B", 0x09: "Raspberry Pi Zero",
    0x0A: "Raspberry Pi Compute Module 3", 0x0C: "Raspberry Pi Zero W",
    0x0D: "Raspberry Pi 3 Model B Plus", 0x0E: "Raspberry Pi 3 Model A Plus",
    0x10: "Raspberry Pi Compute Module 3 Plus", 0x11: "Raspberry Pi 4 Model B",
    0x12: "Raspberry Pi Zero 2 W", 0x13: "Raspberry Pi 400", 0x14: "Raspberry Pi Compute Module 4",
    0x15: "Raspberry Pi Compute Module 4S", 0x17: "Raspberry Pi 5 Model B",
    0x18: "Raspberry Pi Compute Module 5", 0x19: "Raspberry Pi 500",
    0x1A: "Raspberry Pi Compute Module 5 Lite",
}  # fmt: skip
# Boards whose firmware reads the same files.
FAMILIES = {
    "BCM2835": "Raspberry Pi 1", "BCM2836": "Raspberry Pi 2", "BCM2837": "Raspberry Pi 3",
    "BCM2711": "Raspberry Pi 4", "BCM2712": "Raspberry Pi 5",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Board:
    """A board as its revision code describes it."""

    revision: str  # hex digits as /proc/cpuinfo shows them: d03114
    model: str
    memory_mib: int
    processor: str

    @property
    def family(self) -> str:
        """Boards of one family start from the same firmware files."""
        return FAMILIES[self.processor]


def board_of(code: int) -> Board | None:
    """The board of a new-style revision code; None for an old one, and for a board that we do not know."""
    memory, processor, kind = code >> 20 & 7, code >> 12 & 15, code >> 4 & 255
    known = memory < len(_MEMORY_MIB) and processor < len(_PROCESSORS) and kind in _TYPES
    if not code & _NEW_STYLE or not known:
        return None
    model = f"{_TYPES[kind]} Rev 1.{code & 15}"
    return Board(f"{code & 0xFFFFFF:06x}", model, _MEMORY_MIB[memory], _PROCESSORS[processor])
