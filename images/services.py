"""Changes of images, exports and storage nodes. Keyword-only, a verb first; each one transaction."""

from __future__ import annotations

import re
import secrets
import string

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from devices.models import Device, DeviceState, DeviceType
from images.models import IMAGE_ID_PATTERN, Export, ExportMode, Image, ImageState, Session, StorageNode
from images.tasks import converge
from netboot_site.errors import ConflictError, NotFoundError, ValidationError
from netboot_site.formats import GIB, clean_name

SECTOR_BYTES = 512
MAX_SIZE_BYTES = 16 * 1024 * GIB  # ext4's largest file
MIN_GROWTH_BYTES = 1024 * 1024  # tgtd shows a disk's size in MB: a smaller step could not be seen to arrive
CHAP_SECRET_LENGTH = 16  # Windows takes 12 to 16 characters
_CHAP_SIGNS = string.ascii_letters + string.digits
FITTING_IMAGES = {
    DeviceType.RASPI: {DeviceType.RASPI},
    DeviceType.X86: {DeviceType.X86},
    DeviceType.X64: {DeviceType.X86, DeviceType.X64},
}


def register_node(*, name: str, portal_address: str, portal_port: int) -> StorageNode:
    """Create the row of a storage node, or move its portal. The launcher calls it at each start."""
    node, _ = StorageNode.objects.update_or_create(
        name=name, defaults={"portal_address": portal_address, "portal_port": portal_port}
    )
    return node


def get_image(*, image_id: str) -> Image:
    """The image of that id. Raises NotFoundError."""
    image = Image.objects.filter(pk=image_id).first() if "\0" not in image_id else None
    if image is None:
        raise NotFoundError(f"There is no image {image_id[:63]!r}.")
    return image


@transaction.atomic
def create_image(*, image_id: str, name: str, size_bytes: int, device_type: str) -> Image:
    """A new, empty disk on this storage node; its file and target are made by the converger."""
    if not re.fullmatch(IMAGE_ID_PATTERN, image_id):
        raise ValidationError(
            "An image id has 1 to 63 small letters, digits and dashes, and begins with a letter or digit."
        )
    if device_type not in DeviceType.values:
        raise ValidationError(f"A device type is one of {', '.join(DeviceType.values)}.")
    size_bytes, node = check_size(size_bytes=size_bytes), _local_node()
    _check_room(node, size_bytes)
    image = Image(
        id=image_id, name=clean_name(name), size_bytes=size_bytes, device_type=device_type, node=node
    )
    try:
        with transaction.atomic():
            image.save(force_insert=True)
    except IntegrityError as error:
        raise ConflictError(f"An image with the id {image_id!r} exists already.") from error
    _nudge()
    return image


@transaction.atomic
def delete_image(*, image: Image) -> None:
    """Let the converger remove it, its target and its files. Raises ConflictError while it is assigned."""
    row = _locked(image)
    if row.state == ImageState.DELETING:
        return
    export = Export.objects.filter(image=row).select_related("device").first()
    if export is not None:
        raise ConflictError(f"The image {row.id!r} is assigned to {export.device}; unassign it first.")
    if in_use(image=row):
        raise ConflictError(f"The image {row.id!r} is in use by {_users(row)}; shut it down first.")
    if row.state == ImageState.IMPORTING:
        raise ConflictError(f"An upload to the image {row.id!r} is running; end it first.")
    row.state = ImageState.DELETING
    row.save(update_fields=["state", "updated_at"])
    _nudge()


@transaction.atomic
def resize_image(*, image: Image, size_bytes: int) -> Image:
    """Make the disk larger; a device that uses it sees that at its next boot."""
    row = _locked(image)
    size_bytes = check_size(size_bytes=size_bytes)
    if size_bytes < row.size_bytes:
        raise ValidationError(f"The image {row.id!r} can only grow; it has {row.size_bytes} bytes now.")
    if size_bytes == row.size_bytes:
        return row
    if size_bytes - row.size_bytes < MIN_GROWTH_BYTES:
        raise ValidationError(f"A disk grows by {MIN_GROWTH_BYTES} bytes at least.")
    if row.state not in {ImageState.READY, ImageState.CREATING}:
        raise ConflictError(f"The image {row.id!r} is {row.state}; it is resized when it is ready.")
    _check_room(row.node, size_bytes - row.size_bytes)
    row.size_bytes = size_bytes
    row.save(update_fields=["size_bytes", "updated_at"])
    _nudge()
    return row


@transaction.atomic
def assign_image(*, image: Image, device: Device, mode: str = ExportMode.EXCLUSIVE) -> Export:
    """Give a device its disk, with a CHAP account of its own. The same again changes nothing."""
    if mode != ExportMode.EXCLUSIVE:
        raise ValidationError("Only the mode 'exclusive' can be had now; overlays come with a later version.")
    row = _locked(image)
    found = Export.objects.filter(image=row, device=device).first()
    if found is not None:
        return found
    _check_assignable(row, device)
    export = Export(
        image=row, device=device, mode=mode,
        chap_username=f"{row.id}.{secrets.token_hex(3)}", chap_secret=_new_secret(),
    )  # fmt: skip
    try:
        with transaction.atomic():
            export.save()
    except IntegrityError as error:
        raise ConflictError(f"The image {row.id!r} or the device {device} was assigned just now.") from error
    _nudge()
    return export


@transaction.atomic
def unassign_image(*, image: Image, device: Device | None = None) -> None:
    """Take the disk from its device. Raises ConflictError while in use, NotFoundError if it has it not."""
    row = _locked(image)
    exports = Export.objects.filter(image=row)
    if device is not None:
        exports = exports.filter(device=device)
    export = exports.first()
    if export is None:
        whom = f"to {device}" if device is not None else "to any device"
        raise NotFoundError(f"The image {row.id!r} is not assigned {whom}.")
    if in_use(image=row):
        raise ConflictError(f"The image {row.id!r} is in use by {_users(row)}; shut it down first.")
    export.delete()
    _nudge()


@transaction.atomic
def replace_content(*, image: Image, generation: int, size_bytes: int) -> None:
    """Let a new head count, which is on the disk already. Raises ConflictError if the image changed."""
    row = _locked(image)
    if row.generation != generation - 1 or row.state == ImageState.DELETING:
        raise ConflictError(f"The image {row.id!r} was changed meanwhile; upload its content again.")
    row.generation, row.state, row.last_error = generation, ImageState.READY, ""
    row.size_bytes = max(row.size_bytes, size_bytes)
    row.observed_size_bytes = None  # of the new head nothing has been seen
    row.upload_received_bytes = row.upload_total_bytes
    row.save()
    _nudge()


def open_sessions(*, image: Image) -> QuerySet[Session]:
    """The logins that the target server was last seen to hold."""
    return Session.objects.filter(image=image, ended_at=None)


def in_use(*, image: Image) -> bool:
    """Whether an initiator is logged in."""
    return open_sessions(image=image).exists()


def check_size(*, size_bytes: int) -> int:
    """A disk's size, padded up to whole sectors. Raises ValidationError."""
    if size_bytes <= 0:
        raise ValidationError("A disk's size is above zero.")
    if size_bytes > MAX_SIZE_BYTES:
        raise ValidationError(f"A disk has at most {MAX_SIZE_BYTES // GIB} GiB.")
    return -(-size_bytes // SECTOR_BYTES) * SECTOR_BYTES


def _locked(image: Image) -> Image:
    """The image's row, held against other writers to the end of the transaction."""
    row = Image.objects.select_for_update().filter(pk=image.pk).first()
    if row is None:
        raise NotFoundError(f"There is no image {image.pk!r}.")
    return row


def _local_node() -> StorageNode:
    node = StorageNode.objects.filter(name=settings.STORAGE_NODE).first()
    if node is None:
        raise ConflictError(
            f"The storage node {settings.STORAGE_NODE!r} is not registered yet; start it first."
        )
    return node


def _check_room(node: StorageNode, size_bytes: int) -> None:
    """Disks are sparse and may promise more than there is together; a single one may not."""
    free = node.observed_free_bytes
    if free is not None and size_bytes > free:
        raise ConflictError(
            f"The storage node has {free / GIB:.1f} GiB left; {size_bytes / GIB:.1f} GiB do not fit."
        )


def _check_assignable(image: Image, device: Device) -> None:
    """Raises ConflictError, naming what is in the way."""
    if image.state in {ImageState.DELETING, ImageState.FAILED}:
        raise ConflictError(f"The image {image.id!r} is {image.state} and cannot be assigned.")
    if device.state == DeviceState.DISCOVERED:
        raise ConflictError(f"The device {device} is not approved yet; approve it first.")
    if image.device_type not in FITTING_IMAGES[DeviceType(device.device_type)]:
        raise ConflictError(
            f"The image {image.id!r} is for {image.device_type}; {device} is of type {device.device_type}."
        )
    writer = Export.objects.filter(image=image).select_related("device").first()
    if writer is not None:
        raise ConflictError(f"The image {image.id!r} is assigned to {writer.device} already.")
    disk = Export.objects.filter(device=device).first()
    if disk is not None:
        raise ConflictError(
            f"The device {device} has the image {disk.image_id!r} already; unassign that first."
        )


def _users(image: Image) -> str:
    """Who is logged in, as the pages call them."""
    export = Export.objects.filter(image=image).select_related("device").first()
    names = open_sessions(image=image).values_list("initiator_name", flat=True)
    known = {export.initiator_name: str(export.device)} if export else {}
    return ", ".join(sorted({known.get(name, name) for name in names}))


def _new_secret() -> str:
    return "".join(secrets.choice(_CHAP_SIGNS) for _ in range(CHAP_SECRET_LENGTH))


def _nudge() -> None:
    """Start the converger as soon as the change is committed."""
    converge.delay_on_commit()  # type: ignore[attr-defined]  # netboot_site.celery.NudgeTask has it
