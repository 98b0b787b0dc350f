"""What pages show of the disks that devices have: overlays, how full they are, and what was kept aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from images import lineage
from images.lineage import Candidate
from images.models import Channel, Export, ExportMode, Follows, Image, Layer, Session, Version

DISKS_SHOWN = 300
KEPT_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Disk:
    """A device's disk, as a person asks about it."""

    export: Export
    in_use: bool
    kept: list[Layer]
    next_number: int | None  # the version that its next boot uses

    @property
    def is_overlay(self) -> bool:
        """Whether it is a layer of its own over a version."""
        return self.export.mode == ExportMode.OVERLAY

    @property
    def version_number(self) -> int | None:
        """The version that its overlay stands on."""
        base = self.export.layer.base_version if self.export.layer else None
        return base.number if base else None

    @property
    def moves_on(self) -> bool:
        """Whether the next boot uses another version than the overlay stands on."""
        return self.is_overlay and self.next_number not in {None, self.version_number}

    @property
    def used_bytes(self) -> int | None:
        """What its own layer takes."""
        return self.export.layer.observed_used_bytes if self.export.layer else None

    @property
    def fill_percent(self) -> float:
        """Of the disk's size, for a drawing."""
        layer = self.export.layer
        used = layer.observed_used_bytes if layer else None
        return round(min(100.0, 100 * used / layer.size_bytes), 2) if layer and used else 0.0

    @property
    def has_changes(self) -> bool:
        """Whether a machine was let at it since it was fresh."""
        layer = self.export.layer
        return layer is not None and (layer.used_at is not None or self.export.handed_out_at is not None)

    @property
    def follows(self) -> str:
        """Whose word says which version it boots."""
        export, device = self.export, self.export.device
        if export.follows == Follows.PINNED and export.version is not None:
            return f"pinned to version {export.version.number}"
        chosen = lineage.follows_what(
            export.follows, device.channel, device.group.channel if device.group else ""
        )
        if export.follows:
            return "latest" if chosen == Follows.LATEST else f"channel {chosen}"
        if device.channel:
            return f"channel {chosen}, as its device"
        return f"channel {chosen}, as its group" if device.group and device.group.channel else "latest"


@dataclass(frozen=True, slots=True)
class _Choice:
    """What choosing a version needs of an image, read once for all its disks."""

    candidates: Sequence[Candidate]
    numbers: dict[int, int]
    channels: dict[str, int]

    def of(self, export: Export) -> int | None:
        group = export.device.group.channel if export.device.group else ""
        follows = lineage.follows_what(export.follows, export.device.channel, group)
        chosen = lineage.choose(follows, export.version_id, self.candidates, self.channels)
        return self.numbers.get(chosen) if chosen is not None else None


def _choice(image: Image) -> _Choice:
    rows = list(Version.objects.filter(image=image).values_list("pk", "number", "layer__observed_frozen_at"))
    return _Choice(
        candidates=[Candidate(pk, number, frozen is not None) for pk, number, frozen in rows],
        numbers={pk: number for pk, number, _ in rows},
        channels=dict(Channel.objects.filter(image=image).values_list("name", "version_id")),
    )


def disks_of(image: Image) -> list[Disk]:
    """The disks that devices have of an image. Five queries."""
    return _disks(image, Export.objects.filter(image=image))


def disk_of(export: Export) -> Disk:
    """One device's disk. Five queries."""
    return _disks(export.image, Export.objects.filter(pk=export.pk))[0]


def _disks(image: Image, exports: QuerySet[Export]) -> list[Disk]:
    rows = exports.select_related("image", "device__group", "version", "layer__base_version")
    choice, kept = _choice(image), _kept_by_device(image)
    open_now = set(Session.objects.filter(image=image, ended_at=None).values_list("iqn", flat=True))
    return [
        Disk(
            export=row, in_use=row.iqn in open_now, kept=kept.get(row.device_id, []),
            next_number=choice.of(row) if row.mode == ExportMode.OVERLAY else None,
        )
        for row in rows.order_by("device__name", "device__mac")[:DISKS_SHOWN]
    ]  # fmt: skip


def _kept_by_device(image: Image) -> dict[int, list[Layer]]:
    found: dict[int, list[Layer]] = {}
    rows = Layer.objects.filter(lineage.kept_aside(), image=image).select_related("base_version")
    for layer in rows.order_by("-number")[:KEPT_SHOWN]:
        found.setdefault(layer.device_id or 0, []).append(layer)
    return found
