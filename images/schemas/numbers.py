"""Numbers in bodies."""

from __future__ import annotations

from typing import Any

LARGEST_NUMBER = 2**31 - 1  # PostgreSQL's integer


def no_boolean(value: Any) -> Any:
    """`true` is 1 to Python; nobody means a disk of 1 GiB, or version 1, by it."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004  # pydantic takes a TypeError for our mistake
    return value
