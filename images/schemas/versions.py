"""What the REST calls of versions and channels take and answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from ninja import Schema
from pydantic import BeforeValidator, Field

from devices.schemas import Text
from images.models import Channel, Version
from images.schemas.numbers import LARGEST_NUMBER, no_boolean

Number = Annotated[int, Field(ge=1, le=LARGEST_NUMBER), BeforeValidator(no_boolean)]


class VersionIn(Schema):
    """A version to publish."""

    comment: str = ""


class RollBackIn(Schema):
    """The version to go back to, by its number."""

    version: Number


class CloneIn(Schema):
    """A new image; `version` null: what the head holds now."""

    id: str
    name: Text
    version: Number | None = None


class VersionOut(Schema):
    """An immutable state of an image. `sha256`, of the whole disk's bytes, is computed in the background."""

    number: int
    comment: str
    created_at: datetime
    created_by: str
    size_bytes: int
    sha256: str | None
    state: str
    verified_at: datetime | None
    last_error: str
    channels: list[str]


def version_out(version: Version, channels: Iterable[Channel]) -> VersionOut:
    """A version whose layer was fetched, with the channels of its image."""
    return VersionOut(
        number=version.number,
        comment=version.comment,
        created_at=version.created_at,
        created_by=version.created_by,
        size_bytes=version.size_bytes,
        sha256=version.sha256 or None,
        state="ready" if version.is_ready else "publishing",
        verified_at=version.verified_at,
        last_error=version.last_error,
        channels=[channel.name for channel in channels if channel.version_id == version.pk],
    )
