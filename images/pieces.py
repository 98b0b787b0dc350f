"""What an upload says of itself: which bytes of how many, with which digest. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from netboot_site.errors import ValidationError

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")  # RFC 9110, section 14.4
_LENGTH = re.compile(r"[0-9]{1,18}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes `[start, end)` of an upload of `total` bytes."""

    start: int
    end: int
    total: int

    @property
    def is_last(self) -> bool:
        """Whether the upload is whole after it."""
        return self.end == self.total

    @property
    def is_whole(self) -> bool:
        """Whether it is the upload's only one."""
        return self.start == 0 and self.is_last


def parse_piece(content_length: str, content_range: str) -> Piece:
    """The piece that the headers announce. Raises ValidationError."""
    if not _LENGTH.fullmatch(content_length) or int(content_length) == 0:
        raise ValidationError("Send the disk's bytes as the request body, with a Content-Length above zero.")
    length = int(content_length)
    if not content_range:
        return Piece(0, length, length)
    match = _RANGE.fullmatch(content_range.strip())
    if match is None:
        raise ValidationError("Content-Range reads `bytes FIRST-LAST/TOTAL`, in whole bytes.")
    first, last, total = map(int, match.groups())
    if not first <= last < total:
        raise ValidationError(f"Content-Range {first}-{last}/{total} cannot be: FIRST <= LAST < TOTAL.")
    if last - first + 1 != length:
        raise ValidationError(f"Content-Range tells of {last - first + 1} bytes, Content-Length of {length}.")
    return Piece(first, last + 1, total)


def parse_sha256(text: str) -> str:
    """A digest in small letters, or nothing. Raises ValidationError."""
    digest = text.strip().lower()
    if digest and not _SHA256.fullmatch(digest):
        raise ValidationError("sha256 has 64 hexadecimal digits.")
    return digest
