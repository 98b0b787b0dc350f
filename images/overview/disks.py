"""What pages show of the disks that devices have: overlays, how full they are, and what was kept aside."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from images import lineage
from images.around import Around, look_around
from images.lineage import Candidate
from images.models import Channel, Export, ExportMode, ExportState, Follows, Image, Layer, Version
from images.waiting import export_waits

DISKS_SHOWN = 30
KEPT_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Disk:
    """A device's disk, as a person asks about it."""

    export: Export
    in_use: bool
    kept: list[Layer]
    next_number: int | None  # the version that its next boot uses
    waits: list[str]

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
class DiskWish:
    """Which disks of devices a list shows."""

    text: str = ""
    image: str = ""
    node: str = ""
    state: str = ""
    mode: str = ""


def search_disks(wish: DiskWish) -> QuerySet[Export]:
    """Disks of devices, by the names of the devices; the text is in a device's name, address or group."""
    rows = Export.objects.select_related(
        "image__node", "device__group", "version", "layer__base_version__layer"
    )
    if wish.image:
        rows = rows.filter(image=wish.image)
    if wish.node:
        rows = rows.filter(image__node=wish.node)
    if wish.state in ExportState.values:
        rows = rows.filter(observed_state=wish.state)
    if wish.mode in ExportMode.values:
        rows = rows.filter(mode=wish.mode)
    if wish.text:
        found = Q(device__name__icontains=wish.text) | Q(device__group__name__icontains=wish.text)
        rows = rows.filter(found | Q(device__mac__contains=wish.text.lower().replace("-", ":")))
    return rows.order_by("device__name", "device__mac")


@dataclass(frozen=True, slots=True)
class _Choice:
    """What choosing a version needs of an image, read once for all its disks."""

    candidates: list[Candidate]
    numbers: dict[int, int]
    channels: dict[str, int]

    def of(self, export: Export) -> int | None:
        group = export.device.group.channel if export.device.group else ""
        follows = lineage.follows_what(export.follows, export.device.channel, group)
        chosen = lineage.choose(follows, export.version_id, self.candidates, self.channels)
        return self.numbers.get(chosen) if chosen is not None else None


def _choices(image_ids: Collection[str]) -> dict[str, _Choice]:
    """In two queries."""
    found = {image_id: _Choice([], {}, {}) for image_id in image_ids}
    rows = Version.objects.filter(image__in=image_ids)
    for image_id, pk, number, frozen in rows.values_list(
        "image_id", "pk", "number", "layer__observed_frozen_at"
    ):
        found[image_id].candidates.append(Candidate(pk, number, frozen is not None))
        found[image_id].numbers[pk] = number
    channels = Channel.objects.filter(image__in=image_ids)
    for image_id, name, version in channels.values_list("image_id", "name", "version_id"):
        found[image_id].channels[name] = version
    return found


def count_disks(image: Image) -> int:
    """How many devices have one of this image."""
    return Export.objects.filter(image=image).count()


def disks_of(image: Image, around: Around | None = None) -> list[Disk]:
    """The disks that devices have of an image, the first of them. Nine queries, as for all lists of disks."""
    return disks_shown(search_disks(DiskWish(image=image.pk))[:DISKS_SHOWN], around)


def disk_of(export: Export) -> Disk:
    """One device's disk."""
    return disks_shown(search_disks(DiskWish()).filter(pk=export.pk))[0]


def disks_shown(exports: Iterable[Export], around: Around | None = None) -> list[Disk]:
    """Disks of `search_disks`, with all that a list tells of them."""
    rows = list(exports)
    images = {row.image_id for row in rows}
    around = around or look_around(images)
    choices, kept = _choices(images), _kept_by_device(images, [row.device_id for row in rows])
    return [
        Disk(
            export=row, in_use=bool(around.logins.get(row.iqn)), kept=kept.get(row.device_id, []),
            next_number=choices[row.image_id].of(row) if row.mode == ExportMode.OVERLAY else None,
            waits=export_waits(row, around),
        )
        for row in rows
    ]  # fmt: skip


def _kept_by_device(image_ids: Collection[str], devices: Collection[int]) -> dict[int, list[Layer]]:
    found: dict[int, list[Layer]] = {}
    rows = Layer.objects.filter(lineage.kept_aside(), image__in=image_ids, device__in=devices)
    for layer in rows.select_related("base_version").order_by("-number")[:KEPT_SHOWN]:
        found.setdefault(layer.device_id or 0, []).append(layer)
    return found
