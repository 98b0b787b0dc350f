"""What an image's page shows of its versions and of its head."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from images.around import Around, look_around
from images.models import Image, Layer, LayerState, Version
from images.waiting import version_waits

OFFERED = 100


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version with the channels that name it and how many disks stand on it."""

    version: Version
    channels: frozenset[str]
    disks: int
    kept: int
    is_base: bool  # the head stands on it
    waits: list[str]

    @property
    def state(self) -> str:
        """`publishing` while somebody may still write it."""
        return "ready" if self.version.is_ready else "publishing"


def versions_of(image: Image, around: Around | None = None) -> list[VersionRow]:
    """All of them, the newest first. Three queries, and those of `look_around`."""
    around = around or look_around([image.pk])
    living = ~Q(overlays__state=LayerState.DELETING)
    rows = (
        Version.objects.filter(image=image)
        .select_related("layer", "image")
        .prefetch_related("channels")
        .annotate(
            disks=Count("overlays", filter=living & Q(overlays__export__isnull=False)),
            kept=Count("overlays", filter=living & Q(overlays__export=None)),
        )
        .order_by("-number")
    )
    base = Layer.objects.filter(image=image, number=image.generation).values_list("parent_id", flat=True)
    under = base.first()
    return [
        VersionRow(
            version=row, channels=frozenset(channel.name for channel in row.channels.all()),
            disks=row.disks, kept=row.kept, is_base=row.layer_id == under, waits=version_waits(row, around),
        )
        for row in rows
    ]  # fmt: skip


def version_numbers(image: Image) -> list[int]:
    """Those that a form offers, the newest first. One query."""
    return list(Version.objects.filter(image=image).values_list("number", flat=True)[:OFFERED])


@dataclass(frozen=True, slots=True)
class Head:
    """The layer that the image's exclusive writer writes, and what it stands on."""

    layer: Layer
    base: Version | None

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was written since the version under it."""
        return self.base is not None and self.layer.used_at is None


def head_of(image: Image) -> Head | None:
    """None for an image that is going, whose rows may be half gone. One query."""
    layers = Layer.objects.filter(image=image, number=image.generation)
    layer = layers.select_related("parent__version").first()
    if layer is None:
        return None
    return Head(layer, getattr(layer.parent, "version", None) if layer.parent else None)
