"""Changes of images. Keyword-only, a verb first; each one transaction."""

from __future__ import annotations

import re
from typing import Any

from django.db import IntegrityError, transaction

from devices.models import DeviceType
from images import lineage
from images.models import (
    IMAGE_ID_PATTERN,
    Channel,
    Export,
    Image,
    ImageState,
    Job,
    JobState,
    Layer,
    LayerFormat,
    LayerState,
)
from images.services.jobs import end_job
from images.services.nodes import check_room, find_node, nudge
from images.services.usage import refuse_while_in_use
from netboot_site import journal
from netboot_site.errors import ConflictError, NotFoundError, ValidationError
from netboot_site.formats import GIB, clean_name
from netboot_site.templatetags.ui import size

SECTOR_BYTES = 512
MAX_SIZE_BYTES = 16 * 1024 * GIB  # ext4's largest file
MIN_GROWTH_BYTES = 1024 * 1024  # tgtd shows a disk's size in MB: a smaller step could not be seen to arrive


def get_image(*, image_id: str) -> Image:
    """The image of that id. Raises NotFoundError."""
    image = Image.objects.filter(pk=image_id).first() if "\0" not in image_id else None
    if image is None:
        raise NotFoundError(f"There is no image {image_id[:63]!r}.")
    return image


@transaction.atomic
def create_image(
    *, image_id: str, name: str, size_bytes: int, device_type: str, node: str | None = None
) -> Image:
    """A new, empty disk on a storage node (this host's own); the converger makes its file and target."""
    check_new_id(image_id)
    if device_type not in DeviceType.values:
        raise ValidationError(f"A device type is one of {', '.join(DeviceType.values)}.")
    size_bytes, place = check_size(size_bytes=size_bytes), find_node(name=node)
    check_room(place, size_bytes)
    image = Image(
        id=image_id, name=clean_name(name), size_bytes=size_bytes, device_type=device_type, node=place
    )
    insert_image(image)
    Layer.objects.create(image=image, number=1, format=LayerFormat.RAW, size_bytes=size_bytes)
    journal.record("image", image.pk, f"Created with {size(size_bytes)} on {place.name}")
    nudge(place)
    return image


def check_new_id(image_id: str) -> None:
    """Raises ValidationError for what cannot name an image."""
    if not re.fullmatch(IMAGE_ID_PATTERN, image_id):
        raise ValidationError(
            "An image id has 1 to 63 small letters, digits and dashes, and begins with a letter or digit."
        )


def insert_image(image: Image) -> None:
    """Add the row. Raises ConflictError if the id is taken."""
    try:
        with transaction.atomic():
            image.save(force_insert=True)
    except IntegrityError as error:
        raise ConflictError(f"An image with the id {image.id!r} exists already.") from error


@transaction.atomic
def delete_image(*, image: Image) -> None:
    """Let the converger remove it, its targets and its files.

    Raises ConflictError while it is assigned or used, or while another image stands on one of its layers.
    """
    row = lineage.locked_image(image.pk)
    if row.state == ImageState.DELETING:
        return
    export = Export.objects.filter(image=row).select_related("device").first()
    if export is not None:
        raise ConflictError(f"The image {row.id!r} is assigned to {export.device}; unassign it first.")
    refuse_while_in_use(row)
    if row.state == ImageState.IMPORTING:
        raise ConflictError(f"An upload to the image {row.id!r} is running; end it first.")
    clone = Layer.objects.filter(parent__image=row).exclude(image=row).exclude(state=LayerState.DELETING)
    if (layer := clone.first()) is not None:
        raise ConflictError(f"The image {layer.image_id!r} stands on {row.id!r}; delete that clone first.")
    row.state = ImageState.DELETING
    row.save(update_fields=["state", "updated_at"])
    Channel.objects.filter(image=row).delete()
    journal.record("image", row.pk, "Deleted, with all its versions")
    nudge(row.node)


@transaction.atomic
def resize_image(*, image: Image, size_bytes: int) -> Image:
    """Make the disk larger; a device that uses it sees that at its next boot."""
    row = lineage.locked_image(image.pk)
    size_bytes = check_size(size_bytes=size_bytes)
    if size_bytes < row.size_bytes:
        raise ValidationError(f"The image {row.id!r} can only grow; it has {row.size_bytes} bytes now.")
    if size_bytes == row.size_bytes:
        return row
    if size_bytes - row.size_bytes < MIN_GROWTH_BYTES:
        raise ValidationError(f"A disk grows by {MIN_GROWTH_BYTES} bytes at least.")
    if row.state not in {ImageState.READY, ImageState.CREATING}:
        raise ConflictError(f"The image {row.id!r} is {row.state}; it is resized when it is ready.")
    check_room(row.node, size_bytes - row.size_bytes)
    journal.record("image", row.pk, f"Grown from {size(row.size_bytes)} to {size(size_bytes)}")
    row.size_bytes = size_bytes
    row.save(update_fields=["size_bytes", "updated_at"])
    Layer.objects.filter(image=row, number=row.generation).update(size_bytes=size_bytes)
    nudge(row.node)
    return row


@transaction.atomic
def take_layer_number(*, image: Image) -> int:
    """A number for content that is about to be written beside the head."""
    return lineage.take_number(lineage.locked_image(image.pk))


@transaction.atomic
def replace_content(
    *,
    image: Image,
    number: int,
    size_bytes: int,
    contents: dict[str, Any] | None = None,
    job: Job | None = None,
) -> None:
    """Let a new raw head count, whose file is on the disk already under a number that was taken for it.

    The job that made it is done in the same moment: whoever sees the image ready may import again.

    Raises ConflictError if the image was changed meanwhile.
    """
    row = lineage.locked_image(image.pk)
    if row.generation != image.generation or row.state == ImageState.DELETING:
        raise ConflictError(f"The image {row.id!r} was changed meanwhile; upload its content again.")
    head = Layer.objects.create(
        image=row, number=number, format=LayerFormat.RAW, state=LayerState.READY,
        size_bytes=max(row.size_bytes, size_bytes),
    )  # fmt: skip
    lineage.replace_head(row, head)
    row.state, row.last_error, row.import_error = ImageState.READY, "", ""
    row.contents = contents or {}
    row.upload_received_bytes = row.upload_total_bytes
    row.save()
    journal.record("image", row.pk, f"Filled with new content of {size(size_bytes)}")
    if job is not None:
        end_job(job=job, state=JobState.DONE)
    nudge(row.node)


def check_size(*, size_bytes: int) -> int:
    """A disk's size, padded up to whole sectors. Raises ValidationError."""
    if size_bytes <= 0:
        raise ValidationError("A disk's size is above zero.")
    if size_bytes > MAX_SIZE_BYTES:
        raise ValidationError(f"A disk has at most {MAX_SIZE_BYTES // GIB} GiB.")
    return -(-size_bytes // SECTOR_BYTES) * SECTOR_BYTES
