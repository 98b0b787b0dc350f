"""Names by a pattern: `lab1-{n:02}` numbers the machines of a room. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count as counting

from netboot_site.errors import ValidationError
from netboot_site.formats import clean_name

NUMBER_MAX = 999_999
_NUMBER = re.compile(r"\{n(?::0([1-9]))?\}", re.ASCII)
_UNKNOWN = (
    "In a name {n} stands for a number and {n:02} for one of two digits; other braces mean nothing here."
)


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A name with places for a number: texts, and between each two of them how many digits there are."""

    texts: tuple[str, ...]
    widths: tuple[int, ...]

    @property
    def has_number(self) -> bool:
        """Whether it can name more than one machine."""
        return bool(self.widths)

    def name(self, number: int) -> str:
        """The name of one machine. Raises ValidationError if it would be too long."""
        numbers = (str(number).zfill(width) for width in self.widths)
        pairs = zip(self.texts, (*numbers, ""), strict=True)
        return clean_name("".join(part for pair in pairs for part in pair))


def parse_pattern(text: str) -> NamePattern:
    """A pattern as a person writes it: one printable line, `{n}` or `{n:02}` where the number goes.

    Nothing else is understood within braces. Raises ValidationError.
    """
    parts = _NUMBER.split(clean_name(text))
    texts, widths = parts[0::2], parts[1::2]
    if any(sign in part for part in texts for sign in "{}"):
        raise ValidationError(_UNKNOWN)
    return NamePattern(tuple(texts), tuple(int(width or 1) for width in widths))


def take_names(
    pattern: NamePattern, *, start: int, count: int, taken: Collection[str]
) -> tuple[list[str], list[str]]:
    """The next free names, and those that were left out since they are taken. Raises ValidationError."""
    if not 0 <= start <= NUMBER_MAX:
        raise ValidationError(f"Numbers start between 0 and {NUMBER_MAX:,}.")
    if not pattern.has_number:
        return _one_name(pattern, count), []
    names: list[str] = []
    skipped: list[str] = []
    for number in counting(start):
        if len(names) == count:
            break
        name = pattern.name(number)
        (skipped if name in taken else names).append(name)
    return names, skipped


def _one_name(pattern: NamePattern, count: int) -> list[str]:
    name = pattern.name(0)
    if count > 1:
        raise ValidationError(f"{count} machines need {count} names: write {{n}} where the number goes.")
    return [name]
