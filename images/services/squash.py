"""Changes of a version that moves from a long chain of layers to a single one. Its content stays."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from images import boot_rows, lineage
from images.models import (
    Export,
    ExportMode,
    Image,
    ImageState,
    Job,
    JobKind,
    Layer,
    LayerFormat,
    LayerState,
    Version,
)
from images.services.nodes import check_room, nudge
from images.services.versions import get_version
from netboot_site import journal
from netboot_site.errors import ConflictError


@transaction.atomic
def request_squash(*, image: Image, number: int, author: str = "") -> Job:
    """A job that copies a version's whole content into one layer of its own."""
    row = lineage.locked_image(image.pk)
    version = get_version(image=row, number=number)
    _check_squashable(row, version)
    check_room(row.node, _room_needed(version.layer))
    # The new layer's number is taken now, so that a job that is begun again writes to the same place.
    details = {"layer_number": lineage.take_number(row)}
    journal.record("image", row.pk, f"Squash of version {number} asked for")
    return Job.objects.create(
        image=row, version=version, kind=JobKind.SQUASH, details=details, created_by=author,
        total_bytes=version.size_bytes,
    )  # fmt: skip


@transaction.atomic
def complete_squash(*, version: Version, number: int, sha256: str, used_bytes: int) -> None:
    """Let a version name the layer that was written for it; the old chain goes where nothing stands on it.

    Machines that stand on the old chain stay there. Raises ConflictError if the version was changed.
    """
    row = lineage.locked_image(version.image_id)
    current = Version.objects.select_related("layer").filter(pk=version.pk, layer=version.layer).first()
    if current is None or row.state == ImageState.DELETING:
        raise ConflictError(f"{version} was changed meanwhile; nothing was squashed.")
    old = current.layer
    current.layer = Layer.objects.create(
        image=row, number=number, format=LayerFormat.RAW, size_bytes=old.size_bytes,
        state=LayerState.READY, frozen=True, observed_frozen_at=timezone.now(),
        observed_used_bytes=used_bytes,
    )  # fmt: skip
    boot_rows.carry_over(old, current.layer)
    current.sha256, current.verified_at, current.last_error = sha256, timezone.now(), ""
    current.save(update_fields=["layer", "sha256", "verified_at", "last_error"])
    journal.record("image", row.pk, f"Version {current.number} squashed into a single layer")
    _move_empty_head(row, old, current.layer)
    lineage.retire(old)
    nudge(row.node)


def _check_squashable(row: Image, version: Version) -> None:
    """Raises ConflictError."""
    if row.state == ImageState.DELETING:
        raise ConflictError(f"The image {row.id!r} is being deleted.")
    if not version.is_ready:
        raise ConflictError(f"{version} is still being published; squash it when it is ready.")
    if version.layer.parent is None:
        raise ConflictError(f"{version} is a single layer already; there is nothing to squash.")
    if Job.objects.filter(version=version, kind=JobKind.SQUASH, finished_at=None).exists():
        raise ConflictError(f"{version} is being squashed already.")


def _room_needed(layer: Layer) -> int:
    """At most what all its layers take together, and never more than the disk has."""
    taken, current = 0, layer
    while True:
        taken += current.observed_used_bytes or 0
        if current.parent is None:
            return min(taken, layer.size_bytes)
        current = current.parent


def _move_empty_head(row: Image, old: Layer, new: Layer) -> None:
    head = lineage.head_of(row)
    taken = Export.objects.filter(image=row, mode=ExportMode.EXCLUSIVE).exists()
    if head.parent_id == old.pk and head.used_at is None and not taken:
        lineage.replace_head(row, lineage.add_layer(row, new))
