"""A device's disk as the REST calls show it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ninja import Schema

from images.models import Export, Layer


class KeptOut(Schema):
    """Changes that a device kept of an older version; `number` names them."""

    number: int
    version: int | None
    used_bytes: int | None
    used_at: datetime | None


class DiskOut(Schema):
    """What a device boots. `fill` is what its overlay takes, as a share of the disk's size (0 to 1).

    `follows` is `latest`, `test`, `production`, `pinned`, or empty: the channel of the device or its group.
    `waits_for` says what stands between it and its device, in sentences.
    """

    mac: str
    image_id: str
    mode: str
    persistence: str
    follows: str
    version: int | None
    size_bytes: int
    used_bytes: int | None
    fill: float | None
    state: str
    stale: bool
    last_error: str
    waits_for: list[str]
    kept: list[KeptOut]


class ExportOut(Schema):
    """A device's disk, in its image. `version` is the one that an overlay stands on."""

    mac: str
    mode: str
    persistence: str
    follows: str
    version: int | None
    state: str
    last_error: str
    used_bytes: int | None


def version_under(export: Export) -> int | None:
    """The number of the version that an overlay stands on."""
    base = export.layer.base_version if export.layer else None
    return base.number if base else None


def used_bytes(export: Export) -> int | None:
    """What the overlay's own changes take; of an exclusive disk, what its image takes."""
    return export.layer.observed_used_bytes if export.layer else export.image.observed_used_bytes


def export_out(export: Export) -> ExportOut:
    """An export whose image, device, layer and base version were fetched."""
    return ExportOut(
        mac=export.device.mac,
        mode=export.mode,
        persistence=export.persistence,
        follows=export.follows,
        version=version_under(export),
        state=export.state,
        last_error=export.last_error,
        used_bytes=used_bytes(export),
    )


def disk_out(export: Export, kept: Iterable[Layer], waits_for: list[str]) -> DiskOut:
    """The same by itself, with the changes kept of older versions."""
    size_bytes = export.layer.size_bytes if export.layer else export.image.size_bytes
    used = used_bytes(export)
    return DiskOut(
        **export_out(export).model_dump(),
        image_id=export.image_id,
        size_bytes=size_bytes,
        fill=None if used is None else round(used / size_bytes, 4),
        stale=export.observed_stale,
        waits_for=waits_for,
        kept=[_kept_out(layer) for layer in kept],
    )


def _kept_out(layer: Layer) -> KeptOut:
    return KeptOut(
        number=layer.number,
        version=layer.base_version.number if layer.base_version else None,
        used_bytes=layer.observed_used_bytes,
        used_at=layer.used_at,
    )
