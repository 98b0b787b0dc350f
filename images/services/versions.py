"""Changes of versions and channels: publish, roll back, clone, promote, delete. None of them moves bytes."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from images import lineage
from images.models import (
    Channel,
    ChannelName,
    Export,
    ExportMode,
    Image,
    ImageState,
    JobKind,
    Layer,
    LayerState,
    Version,
)
from images.services.images import check_new_id, insert_image
from images.services.nodes import check_room, nudge
from images.services.usage import refuse_while_head_in_use
from netboot_site import journal
from netboot_site.errors import ConflictError, NotFoundError, ValidationError
from netboot_site.formats import clean_name

COMMENT_LENGTH = 500
_LARGEST_NUMBER = 2**31 - 1


def get_version(*, image: Image, number: int) -> Version:
    """The version of that number. Raises NotFoundError."""
    known = 0 < number <= _LARGEST_NUMBER
    version = (
        Version.objects.select_related("layer").filter(image=image, number=number).first() if known else None
    )
    if version is None:
        raise NotFoundError(f"The image {image.id!r} has no version {number}.")
    return version


@transaction.atomic
def publish_version(*, image: Image, comment: str = "", author: str = "") -> Version:
    """Freeze the head as the next version and put an empty head over it.

    A head that runs as a layer is frozen without its device noticing; one that is still a plain file is
    frozen as soon as its device logs out.
    """
    row = _ready(image)
    check_room(row.node)
    comment = clean_comment(comment)
    version = lineage.add_version(row, lineage.freeze_head(row), comment=comment, author=author)
    called = f": {comment}" if comment else ""
    journal.record("image", row.pk, f"Version {version.number} published{called}")
    nudge(row.node)
    return version


@transaction.atomic
def roll_back(*, image: Image, number: int) -> Image:
    """Put an empty head over a version; what the head held is lost. Raises ConflictError while in use."""
    row = _ready(image)
    version = get_version(image=row, number=number)
    refuse_while_head_in_use(row)
    lineage.replace_head(row, lineage.add_layer(row, version.layer))
    Export.objects.filter(image=row, mode=ExportMode.EXCLUSIVE).update(handed_out_at=None)
    journal.record("image", row.pk, f"Rolled back to version {number}")
    nudge(row.node)
    return row


@transaction.atomic
def clone_image(*, image: Image, new_id: str, name: str, number: int | None = None) -> Image:
    """A new image over a version of another, or over what its head holds now."""
    check_new_id(new_id)
    row = _ready(image)
    check_room(row.node)
    base = get_version(image=row, number=number).layer if number is not None else _frozen_head(row)
    clone = Image(
        id=new_id, name=clean_name(name), size_bytes=base.size_bytes, device_type=row.device_type,
        node=row.node, contents=row.contents, last_layer_number=0,
    )  # fmt: skip
    insert_image(clone)
    clone.generation = lineage.add_layer(clone, base).number
    clone.save(update_fields=["generation"])
    _note_clone(row, clone, number)
    nudge(row.node)
    return clone


@transaction.atomic
def delete_version(*, image: Image, number: int) -> None:
    """Delete a version that nothing uses. Raises ConflictError, naming what uses it."""
    row = lineage.locked_image(image.pk)
    version = get_version(image=row, number=number)
    _refuse_while_needed(row, version)
    layer = version.layer
    version.delete()
    journal.record("image", row.pk, f"Version {number} deleted")
    lineage.retire(layer)
    nudge(row.node)


@transaction.atomic
def promote(*, image: Image, channel: str, number: int) -> Channel:
    """Let a channel name a version; its devices get it at their next boot."""
    if channel not in ChannelName.values:
        raise ValidationError(f"A channel is one of {', '.join(ChannelName.values)}.")
    row = lineage.locked_image(image.pk)
    version = get_version(image=row, number=number)
    found, _ = Channel.objects.update_or_create(
        image=row, name=channel, defaults={"version": version, "updated_at": timezone.now()}
    )
    journal.record("image", row.pk, f"Channel {channel} names version {number}")
    nudge(row.node)
    return found


@transaction.atomic
def close_channel(*, image: Image, channel: str) -> None:
    """Let a channel name no version any more. Raises NotFoundError if it names none."""
    row = lineage.locked_image(image.pk)
    if not Channel.objects.filter(image=row, name=channel).delete()[0]:
        raise NotFoundError(f"The channel {channel[:20]!r} of {row.id!r} names no version.")
    journal.record("image", row.pk, f"Channel {channel} names no version any more")
    nudge(row.node)


def clean_comment(comment: str) -> str:
    """At most 500 characters, printable but for line ends. Raises ValidationError."""
    text = comment.replace("\r\n", "\n").strip()
    if len(text) > COMMENT_LENGTH:
        raise ValidationError(f"A comment has at most {COMMENT_LENGTH} characters.")
    if any(not sign.isprintable() for sign in text.replace("\n", " ")):
        raise ValidationError("A comment is printable text.")
    return text


def _note_clone(row: Image, clone: Image, number: int | None) -> None:
    what = "what the disk held" if number is None else f"version {number}"
    journal.record_many(
        "image",
        [(clone.pk, f"Cloned from {what} of {row.pk}"), (row.pk, f"Cloned as {clone.pk}: {what}")],
    )


def _ready(image: Image) -> Image:
    """Its locked row. Raises ConflictError unless it has a whole disk."""
    row = lineage.locked_image(image.pk)
    if row.state != ImageState.READY:
        raise ConflictError(f"The image {row.id!r} is {row.state}; this can be done when it is ready.")
    return row


def _frozen_head(row: Image) -> Layer:
    """What the head holds: what it stands on, if nothing was written since; else the head, frozen."""
    head = lineage.head_of(row)
    if head.parent is not None and lineage.head_is_untouched(row):
        return head.parent
    return lineage.freeze_head(row)


def _refuse_while_needed(row: Image, version: Version) -> None:
    reason = _why_needed(row, version)
    if reason:
        raise ConflictError(f"Version {version.number} of {row.id!r} is needed: {reason}.")


def _why_needed(row: Image, version: Version) -> str:
    channel = Channel.objects.filter(version=version).first()
    if channel is not None:
        return f"the channel {channel.name} names it"
    export = Export.objects.filter(version=version).select_related("device").first()
    if export is not None:
        return f"{export.device} is pinned to it"
    overlay = version.overlays.exclude(state=LayerState.DELETING).select_related("device").first()
    if overlay is not None:
        kept = not Export.objects.filter(layer=overlay).exists()
        what = f"changes that {overlay.device} kept" if kept else f"the disk of {overlay.device}"
        return f"{what} stand{'' if kept else 's'} on it"
    job = version.jobs.filter(finished_at=None).exclude(kind=JobKind.CHECKSUM).first()
    if job is not None:
        return f"work on it goes on ({job.get_kind_display()}); wait for its end or cancel it"
    return _why_stood_on(row, version.layer)


def _why_stood_on(row: Image, layer: Layer) -> str:
    child = layer.children.exclude(state=LayerState.DELETING).select_related("image").first()
    if child is None:
        return ""
    if child.image_id != row.pk:
        return f"the image {child.image_id} is a clone of it"
    if child.number == row.generation:
        return "the image's head stands on it"
    above = Version.objects.filter(layer=child).first()
    return f"version {above.number} stands on it" if above else "another layer stands on it"
