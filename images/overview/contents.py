"""What is inside an image, as its page draws it: partitions in a row, with the gaps between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from images.models import Image
from netboot_site.templatetags.ui import size

TONES = 6  # how many colours the drawing has
_TABLES = {"gpt": "GPT", "dos": "MBR"}
_SMALLEST_PERCENT = 0.4  # thinner than that nothing is seen
_SMALLEST_GAP = 0.01  # of the disk: alignment is not worth a mention


@dataclass(frozen=True, slots=True)
class Part:
    """A partition, or a gap, with its place in the drawing."""

    left: float
    width: float
    tone: str
    size_bytes: int
    number: int = 0
    kind: str = ""
    name: str = ""
    file_system: str = ""
    label: str = ""
    is_partition: bool = True

    @property
    def title(self) -> str:
        """In words."""
        words = [self.label or self.name, self.file_system or self.kind, size(self.size_bytes)]
        return ", ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Contents:
    """What an import found out of a disk."""

    table: str
    operating_system: str
    parts: list[Part]

    @property
    def spoken(self) -> str:
        """The drawing in words."""
        return "; ".join(part.title for part in self.parts)


def contents_of(image: Image) -> Contents | None:
    """None for a disk that nothing was imported into."""
    found: dict[str, Any] = image.contents
    if not found:
        return None
    rows = sorted(found.get("partitions") or [], key=lambda row: int(row["start_bytes"]))
    return Contents(
        table=_TABLES.get(found.get("table") or "", ""),
        operating_system=found.get("operating_system") or "",
        parts=_parts(rows, max(1, image.size_bytes)),
    )


def _parts(rows: list[dict[str, Any]], whole: int) -> list[Part]:
    parts: list[Part] = []
    reached = 0
    for place, row in enumerate(rows):
        start, length = int(row["start_bytes"]), int(row["size_bytes"])
        if start - reached > whole * _SMALLEST_GAP:
            parts.append(_gap(reached, start, whole))
        parts.append(_part(row, place, whole))
        reached = max(reached, start + length)
    if parts and whole - reached > whole * _SMALLEST_GAP:
        parts.append(_gap(reached, whole, whole))
    return parts


def _part(row: dict[str, Any], place: int, whole: int) -> Part:
    start, length = int(row["start_bytes"]), int(row["size_bytes"])
    left = min(100.0, 100 * start / whole)
    return Part(
        left=round(left, 2),
        width=round(min(100 - left, max(_SMALLEST_PERCENT, 100 * length / whole)), 2),
        tone=str(place % TONES), size_bytes=length, number=int(row.get("number") or 0),
        kind=row.get("type") or "", name=row.get("name") or "",
        file_system=row.get("file_system") or "", label=row.get("label") or "",
    )  # fmt: skip


def _gap(start: int, end: int, whole: int) -> Part:
    return Part(
        left=round(100 * start / whole, 2), width=round(100 * (end - start) / whole, 2), tone="free",
        size_bytes=end - start, kind="not in a partition", is_partition=False,
    )  # fmt: skip
