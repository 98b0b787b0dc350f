"""Changes of exports: assign and unassign, overlays' reset, merge, and the changes that were kept aside."""

from __future__ import annotations

import re
import secrets
import string

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from devices.models import Device, DeviceState, DeviceType
from images import lineage
from images.models import (
    Export,
    ExportMode,
    Follows,
    Image,
    ImageState,
    Layer,
    LayerState,
    Persistence,
    Version,
)
from images.services.nodes import check_room, nudge
from images.services.usage import refuse_while_export_in_use
from images.services.versions import clean_comment, get_version
from netboot_site import journal
from netboot_site.errors import ConflictError, NotFoundError, ValidationError

_RESTORED = [
    "layer", "follows", "version", "persistence", "handed_out_at", "refresh_requested_at", "observed_stale",
]  # fmt: skip
CHAP_SECRET_LENGTH = 16  # Windows takes 12 to 16 characters
_CHAP_SIGNS = string.ascii_letters + string.digits
FITTING_IMAGES = {
    DeviceType.RASPI: {DeviceType.RASPI},
    DeviceType.X86: {DeviceType.X86},
    DeviceType.X64: {DeviceType.X86, DeviceType.X64},
}


def get_disk(*, device: Device) -> Export:
    """What the device has as its disk. Raises NotFoundError."""
    rows = Export.objects.select_related("device", "image", "layer__base_version", "version")
    export = rows.filter(device=device).first()
    if export is None:
        raise NotFoundError(f"The device {device} has no disk.")
    return export


def kept_changes(*, device: Device) -> list[Layer]:
    """The changes that the device kept of older versions of its image, the newest first."""
    export = Export.objects.filter(device=device).first()
    return list(_kept_of(export)) if export is not None else []


@transaction.atomic
def assign_image(
    *,
    image: Image,
    device: Device,
    mode: str = ExportMode.EXCLUSIVE,
    persistence: str | None = None,
    version: str | None = None,
) -> Export:
    """Give a device its disk, with a CHAP account of its own. The same again changes nothing.

    `version` is a number, `latest`, `test` or `production`; empty: the channel of the device or its group.
    None leaves it as it is, and is empty at first; so with `persistence`, which is `keep` at first.
    """
    row = lineage.locked_image(image.pk)
    follows, pinned = _chosen(row, mode, persistence, version)
    found = Export.objects.select_related("device").filter(image=row, device=device).first()
    if found is not None:
        return _changed(found, mode, persistence, version, follows, pinned)
    _check_assignable(row, device, mode)
    check_room(row.node)
    export = Export(
        image=row, device=device, mode=mode, persistence=persistence or Persistence.KEEP,
        follows=follows, version=pinned,
        chap_username=f"{row.id}.{secrets.token_hex(3)}", chap_secret=_new_secret(),
    )  # fmt: skip
    if mode == ExportMode.OVERLAY:
        export.layer = lineage.add_overlay(row, device, _version_to_boot(export))
    _insert(export)
    _note(device, f"Disk: {row.id} assigned ({_words(export)})")
    nudge(row.node)
    return export


@transaction.atomic
def unassign_image(*, image: Image, device: Device | None = None) -> None:
    """Take the disk from its device; an overlay and what it holds go.

    Raises ConflictError while in use or where it must be said whose, NotFoundError if it has it not.
    """
    row = lineage.locked_image(image.pk)
    exports = Export.objects.filter(image=row).select_related("device", "layer")
    if device is not None:
        exports = exports.filter(device=device)
    found = list(exports[:2])
    if not found:
        whom = f"to {device}" if device is not None else "to any device"
        raise NotFoundError(f"The image {row.id!r} is not assigned {whom}.")
    if len(found) > 1:
        raise ConflictError(f"Several devices have the image {row.id!r}; say which one with `mac`.")
    export = found[0]
    refuse_while_export_in_use(export)
    if export.mode == ExportMode.EXCLUSIVE:
        lineage.note_hand_out(lineage.head_of(row), export)
    layer, kept = export.layer, list(_kept_of(export))
    _note(export.device, f"Disk: {row.id} unassigned ({_words(export)})")
    export.delete()
    for dropped in [layer, *kept] if layer is not None else []:
        lineage.discard(dropped)
    nudge(row.node)


@transaction.atomic
def reset_disk(*, device: Device) -> Export:
    """Give the device's overlay a fresh layer at once; what it held is lost, and room is made.

    Raises ConflictError while it is in use.
    """
    export = _overlay_of(device)
    refuse_while_export_in_use(export)
    version = _version_to_reset_to(export)
    lineage.refresh(export, version, forget=True)
    _note(device, f"Disk: {export.image_id} reset to version {version.number}")
    nudge(export.image.node)
    return export


@transaction.atomic
def merge_disk(*, device: Device, comment: str = "", author: str = "") -> Version:
    """Turn the device's overlay into the image's next version. Raises ConflictError while it is in use."""
    export = _overlay_of(device)
    refuse_while_export_in_use(export)
    check_room(export.image.node)
    text = clean_comment(comment)
    image, layer = export.image, export.layer
    if layer is None or layer.state != LayerState.READY:
        raise ConflictError(f"The disk of {device} is not ready yet; merge it when it is.")
    layer.frozen, layer.device, layer.base_version = True, None, None
    layer.save(update_fields=["frozen", "device", "base_version"])
    version = lineage.add_version(image, layer, comment=text, author=author)
    export.layer = lineage.add_overlay(image, device, version)
    export.handed_out_at = export.refresh_requested_at = None
    export.observed_stale = False
    if export.follows == Follows.PINNED:
        export.version = version
    export.save(update_fields=["layer", "handed_out_at", "refresh_requested_at", "observed_stale", "version"])
    _advance_empty_head(image, version)
    _note(device, f"Disk: merged as version {version.number} of {image.id}{_comment(text)}")
    nudge(image.node)
    return version


@transaction.atomic
def restore_kept(*, device: Device, layer_number: int) -> Export:
    """Let the device go on with changes that it kept of an older version, and stay on that version.

    What its present overlay holds is kept aside in its turn. Raises ConflictError while in use.
    """
    export = _overlay_of(device)
    refuse_while_export_in_use(export)
    kept, present = _kept(export, layer_number), export.layer
    used = present is not None and lineage.is_touched(present, export)
    if present is not None and used:
        lineage.note_hand_out(present, export)
    export.layer, export.follows, export.version = kept, Follows.PINNED, kept.base_version
    export.persistence = Persistence.KEEP  # else the next boot would throw away what was just brought back
    export.handed_out_at = kept.used_at
    export.refresh_requested_at, export.observed_stale = None, False
    export.save(update_fields=_RESTORED)
    if present is not None and not used:
        lineage.discard(present)
    _note(device, f"Disk: kept changes {_number(kept)} restored; it stays on that version")
    nudge(export.image.node)
    return export


@transaction.atomic
def discard_kept(*, device: Device, layer_number: int) -> None:
    """Delete changes that a device kept of an older version."""
    export = _overlay_of(device)
    kept = _kept(export, layer_number)
    lineage.discard(kept)
    _note(device, f"Disk: kept changes {_number(kept)} discarded")
    nudge(export.image.node)


def _chosen(
    row: Image, mode: str, persistence: str | None, version: str | None
) -> tuple[str, Version | None]:
    """How the version is chosen, and the pinned one. Raises ValidationError, NotFoundError."""
    if mode not in ExportMode.values:
        raise ValidationError(f"A mode is one of {', '.join(ExportMode.values)}.")
    if mode == ExportMode.EXCLUSIVE and (persistence is not None or version is not None):
        raise ValidationError("`persistence` and `version` belong to overlays; say mode=overlay with them.")
    if persistence is not None and persistence not in Persistence.values:
        raise ValidationError(f"A persistence is one of {', '.join(Persistence.values)}.")
    if not version:
        return Follows.DEVICE, None
    if version in {Follows.LATEST, Follows.TEST, Follows.PRODUCTION}:
        return version, None
    if not re.fullmatch(r"[1-9][0-9]{0,9}", version):
        raise ValidationError("A version is a number, `latest`, `test` or `production`.")
    return Follows.PINNED, get_version(image=row, number=int(version))


def _changed(
    export: Export, mode: str, persistence: str | None, version: str | None,
    follows: str, pinned: Version | None,
) -> Export:  # fmt: skip
    """An overlay's persistence and version can be changed while it is used: they count at the next boot."""
    if export.mode != mode:
        raise ConflictError(
            f"{export.device} has the image {export.image_id!r} as {export.mode}; unassign it first."
        )
    before = _words(export)
    if persistence is not None:
        export.persistence = persistence
    if version is not None:
        export.follows, export.version = follows, pinned
    export.save(update_fields=["persistence", "follows", "version"])
    if (now := _words(export)) != before:
        _note(export.device, f"Disk: {before} → {now}")
    nudge(export.image.node)
    return export


def _check_assignable(image: Image, device: Device, mode: str) -> None:
    """Raises ConflictError, naming what is in the way."""
    if image.state in {ImageState.DELETING, ImageState.FAILED}:
        raise ConflictError(f"The image {image.id!r} is {image.state} and cannot be assigned.")
    if device.state == DeviceState.DISCOVERED:
        raise ConflictError(f"The device {device} is not approved yet; approve it first.")
    if image.device_type not in FITTING_IMAGES[DeviceType(device.device_type)]:
        raise ConflictError(
            f"The image {image.id!r} is for {image.device_type}; {device} is of type {device.device_type}."
        )
    exclusive = Export.objects.filter(image=image, mode=ExportMode.EXCLUSIVE).select_related("device")
    writer = exclusive.first() if mode == ExportMode.EXCLUSIVE else None
    if writer is not None:
        raise ConflictError(f"The image {image.id!r} is assigned to {writer.device} already.")
    disk = Export.objects.filter(device=device).first()
    if disk is not None:
        raise ConflictError(
            f"The device {device} has the image {disk.image_id!r} already; unassign that first."
        )


def _insert(export: Export) -> None:
    try:
        with transaction.atomic():
            export.save(force_insert=True)
    except IntegrityError as error:
        raise ConflictError(
            f"The image {export.image_id!r} or the device {export.device} was assigned just now."
        ) from error


def _version_to_boot(export: Export) -> Version:
    """Raises ConflictError if the image has none, or the channel names none."""
    version = lineage.version_for(export.image, export.device, export.follows, export.version)
    if version is not None:
        return version
    if Version.objects.filter(image=export.image).exists():
        raise ConflictError(
            f"The channel that {export.device} follows names no version of {export.image_id!r}; "
            f"promote one first."
        )
    raise ConflictError(f"The image {export.image_id!r} has no version yet; publish one first.")


def _version_to_reset_to(export: Export) -> Version:
    """The one to boot next; where its channel names none, the one that it stands on."""
    followed = lineage.version_for(export.image, export.device, export.follows, export.version)
    present = export.layer.base_version if export.layer else None
    return followed or present or _version_to_boot(export)


def _overlay_of(device: Device) -> Export:
    """The device's overlay export, its image locked. Raises ConflictError."""
    export = Export.objects.filter(device=device).first()
    if export is None:
        raise ConflictError(f"The device {device} has no disk.")
    image = lineage.locked_image(export.image_id)
    rows = Export.objects.select_related("device__group", "layer__base_version", "version")
    found = rows.filter(pk=export.pk).first()
    if found is None:
        raise ConflictError(f"The disk of {device} was taken from it just now.")
    if found.mode != ExportMode.OVERLAY:
        raise ConflictError(
            f"{device} has the image {image.id!r} for itself, without an overlay; "
            f"roll the image back instead."
        )
    found.image = image
    return found


def _kept_of(export: Export) -> QuerySet[Layer]:
    """The changes that its device kept of older versions, the newest first."""
    rows = Layer.objects.filter(lineage.kept_aside(), image=export.image_id, device=export.device_id)
    return rows.select_related("base_version").order_by("-number")


def _kept(export: Export, number: int) -> Layer:
    layer = _kept_of(export).filter(number=number).first() if 0 < number < 2**31 else None
    if layer is None:
        raise NotFoundError(f"{export.device} has kept no changes under the number {number}.")
    return layer


def _advance_empty_head(image: Image, version: Version) -> None:
    """A head that nobody has written moves on to the new version, or its next publication would lose it."""
    taken = Export.objects.filter(image=image, mode=ExportMode.EXCLUSIVE).exists()
    if image.state == ImageState.READY and not taken and lineage.head_is_untouched(image):
        lineage.replace_head(image, lineage.add_layer(image, version.layer))


def _words(export: Export) -> str:
    """How the device has it: `exclusive`, `overlay, keeps its changes, follows latest`."""
    if export.mode == ExportMode.EXCLUSIVE:
        return "exclusive"
    keeps = "keeps its changes" if export.persistence == Persistence.KEEP else "reset at each boot"
    if export.follows == Follows.PINNED and export.version is not None:
        return f"overlay, {keeps}, stays on version {export.version.number}"
    return f"overlay, {keeps}, follows {export.follows or 'its channel'}"


def _number(layer: Layer) -> str:
    return f"of version {layer.base_version.number}" if layer.base_version else f"number {layer.number}"


def _comment(text: str) -> str:
    return f": {text}" if text else ""


def _note(device: Device, text: str) -> None:
    journal.record("device", device.mac, text)


def _new_secret() -> str:
    return "".join(secrets.choice(_CHAP_SIGNS) for _ in range(CHAP_SECRET_LENGTH))
