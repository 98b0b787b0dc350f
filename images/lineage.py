"""How the layers of a disk descend from one another: changes of rows that services and convergence share.

Every function works inside its caller's transaction, with the image's row locked (`locked_image`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F, Q

from devices.models import Device
from images.models import (
    Channel,
    Export,
    ExportMode,
    Follows,
    Image,
    Layer,
    LayerFormat,
    LayerState,
    Persistence,
    Version,
)
from netboot_site.errors import NotFoundError


def locked_image(image_id: str) -> Image:
    """The image's row, held against other writers to the end of the transaction."""
    row = Image.objects.select_for_update().filter(pk=image_id).first()
    if row is None:
        raise NotFoundError(f"There is no image {image_id!r}.")
    return row


def take_number(image: Image) -> int:
    """The next layer's number; none is ever given twice, since it stands in a file's name."""
    return _next(image, "last_layer_number")


def _next(image: Image, counter: str) -> int:
    """Counted in the row itself, since the object may be older than that."""
    Image.objects.filter(pk=image.pk).update(**{counter: F(counter) + 1})
    image.refresh_from_db(fields=[counter])
    return int(getattr(image, counter))


def add_layer(image: Image, parent: Layer | None, *, size_bytes: int | None = None) -> Layer:
    """A new, empty layer over its parent, or an empty raw disk; convergence makes its file."""
    return Layer.objects.create(
        image=image,
        number=take_number(image),
        format=LayerFormat.RAW if parent is None else LayerFormat.QCOW2,
        parent=parent,
        size_bytes=size_bytes or (parent.size_bytes if parent else image.size_bytes),
    )


def head_of(image: Image) -> Layer:
    """The layer that the image's exclusive writer writes."""
    return Layer.objects.get(image=image, number=image.generation)


def head_is_untouched(image: Image) -> bool:
    """Whether nobody can have written the head since it was put over its parent."""
    writer = Export.objects.filter(image=image, mode=ExportMode.EXCLUSIVE).first()
    head = head_of(image)
    return head.parent_id is not None and not is_touched(head, writer)


def replace_head(image: Image, layer: Layer) -> None:
    """Let another layer be the head; the old one goes, unless something stands on it."""
    old = head_of(image)
    image.generation, image.size_bytes = layer.number, layer.size_bytes
    image.observed_size_bytes = None  # of the new head nothing has been seen
    image.save(update_fields=["generation", "size_bytes", "observed_size_bytes", "updated_at"])
    retire(old)


def freeze_head(image: Image) -> Layer:
    """The head will not change any more, and an empty one is put over it. Returns the frozen layer."""
    frozen = head_of(image)
    frozen.frozen = True
    frozen.save(update_fields=["frozen"])
    replace_head(image, add_layer(image, frozen))
    return frozen


def retire(layer: Layer) -> None:
    """Let convergence remove a layer that nothing needs, then those under it that nothing needs."""
    current: Layer | None = layer
    while current is not None and not is_needed(current):
        Layer.objects.filter(pk=current.pk).update(state=LayerState.DELETING, device=None, base_version=None)
        current = Layer.objects.filter(pk=current.parent_id).first() if current.parent_id else None


def is_needed(layer: Layer) -> bool:
    """Whether a version, a head, an overlay, kept changes or a living layer need it."""
    return (
        Version.objects.filter(layer=layer).exists()
        or Export.objects.filter(layer=layer).exists()
        or Image.objects.filter(pk=layer.image_id, generation=layer.number).exists()
        or Layer.objects.filter(pk=layer.pk, device__isnull=False).exists()
        or Layer.objects.filter(parent=layer).exclude(state=LayerState.DELETING).exists()
    )


def add_version(image: Image, layer: Layer, *, comment: str, author: str) -> Version:
    """Name a frozen layer by the image's next number; none is ever given twice, since people note it."""
    return Version.objects.create(
        image=image,
        number=_next(image, "last_version_number"),
        layer=layer,
        comment=comment,
        size_bytes=layer.size_bytes,
        created_by=author,
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version, as far as choosing needs it."""

    pk: int
    number: int
    ready: bool


def choose(
    follows: str, pinned: int | None, versions: Sequence[Candidate], channels: Mapping[str, int]
) -> int | None:
    """The key of the version that a boot is to use; None: there is none. Pure.

    The latest is the latest that nobody writes any more. A channel that names no version gives none.
    """
    if follows == Follows.PINNED:
        return pinned
    if follows in {Follows.TEST, Follows.PRODUCTION}:
        return channels.get(follows)
    ready = [one for one in versions if one.ready] or list(versions)
    return max(ready, key=lambda one: one.number).pk if ready else None


def follows_what(export_follows: str, device_channel: str, group_channel: str) -> str:
    """Whose word counts: the export's, its device's, its group's, else the latest version. Pure."""
    return export_follows or device_channel or group_channel or Follows.LATEST


def version_for(image: Image, device: Device, follows: str, pinned: Version | None) -> Version | None:
    """The version that this device would boot now."""
    group = device.group.channel if device.group else ""
    candidates = [
        Candidate(pk, number, frozen_at is not None)
        for pk, number, frozen_at in Version.objects.filter(image=image).values_list(
            "pk", "number", "layer__observed_frozen_at"
        )
    ]
    channels = dict(Channel.objects.filter(image=image).values_list("name", "version_id"))
    chosen = choose(
        follows_what(follows, device.channel, group), pinned.pk if pinned else None, candidates, channels
    )
    return Version.objects.select_related("layer").get(pk=chosen) if chosen is not None else None


def add_overlay(image: Image, device: Device, version: Version) -> Layer:
    """A fresh overlay of a device over a version."""
    layer = add_layer(image, version.layer)
    layer.device, layer.base_version = device, version
    layer.save(update_fields=["device", "base_version"])
    return layer


def refresh(export: Export, version: Version, *, forget: bool = False) -> None:
    """Give an overlay's export a fresh layer over a version.

    Changes of `keep` are kept aside if they belong to another version, and stay where they are if they belong
    to this one: a request can be older than what was decided since. `forget` drops them.
    """
    now = Export.objects.select_for_update(of=("self",)).select_related("layer").get(pk=export.pk)
    old = now.layer
    if old is None:
        raise ValueError("an exclusive export has no overlay")
    keeps = now.persistence == Persistence.KEEP and not forget and is_touched(old, now)
    stays = keeps and old.base_version_id == version.pk
    export.layer = old if stays else add_overlay(export.image, export.device, version)
    export.handed_out_at = now.handed_out_at if stays else None
    export.refresh_requested_at, export.observed_stale = None, False
    export.save(update_fields=["layer", "refresh_requested_at", "handed_out_at", "observed_stale"])
    if not keeps:
        discard(old)
    elif not stays:
        note_hand_out(old, now)


def is_touched(layer: Layer, export: Export | None) -> bool:
    """Whether a machine may have written to it: it was seen at it, or was told of it."""
    return layer.used_at is not None or (export is not None and export.handed_out_at is not None)


def note_hand_out(layer: Layer, export: Export) -> None:
    """Whoever was told of a layer may have written it, even if no login was seen; its export forgets that."""
    Layer.objects.filter(pk=layer.pk, used_at=None).update(used_at=export.handed_out_at)


def discard(layer: Layer) -> None:
    """Give up an overlay and its changes."""
    Layer.objects.filter(pk=layer.pk).update(device=None, base_version=None)
    retire(layer)


def kept_aside() -> Q:
    """Layers with changes that a device kept of an older version (a filter of Layer)."""
    return Q(device__isnull=False, export=None, version=None) & ~Q(state=LayerState.DELETING)
