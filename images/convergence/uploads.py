"""Uploads that were cut off by the end of the process that received them."""

from __future__ import annotations

from images.convergence.facts import Desired
from images.models import Image, ImageState
from netboot_site.locks import advisory_lock


def upload_lock(image_id: str) -> str:
    """The lock that the one running upload of an image holds."""
    return f"images.upload.{image_id}"


def free_abandoned_uploads(desired: Desired) -> None:
    """An image that says `importing` while nobody holds its lock has its old content still, and is ready."""
    for want in desired.images:
        if want.state == ImageState.IMPORTING:
            with advisory_lock(upload_lock(want.image_id)) as free:
                if free:
                    importing = Image.objects.filter(pk=want.image_id, state=ImageState.IMPORTING)
                    importing.update(state=ImageState.READY)
