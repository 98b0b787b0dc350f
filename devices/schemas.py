"""What the REST calls of devices take and give."""

from __future__ import annotations

from typing import Annotated, Literal

from ninja import Schema
from pydantic import AfterValidator, Field


def without_nul(text: str) -> str:
    """PostgreSQL stores no NUL; refuse it before it gets there."""
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


Text = Annotated[str, Field(max_length=200), AfterValidator(without_nul)]


ChannelOf = Annotated[
    Literal["", "test", "production"],
    Field(
        description="Under which name an overlay takes new versions of its image; empty: a device's, that of "
        "its group; a group's, the latest version."
    ),
]


class GroupIn(Schema):
    """A group to create."""

    name: Text
    channel: ChannelOf = ""


class GroupPatch(Schema):
    """What may change of a group; what is left out stays."""

    name: Text = ""
    channel: ChannelOf = ""


class GroupOut(Schema):
    """A group with the number of its devices."""

    id: int
    name: str
    channel: str
    device_count: int
