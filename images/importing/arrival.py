"""The last steps of every import: a part file that is whole becomes the image's head."""

from __future__ import annotations

import os
from pathlib import Path

from django.conf import settings

from images import services
from images.contents import inspect
from images.jobs.tasks import work
from images.logins import logged_in_now
from images.models import Image, Job, LayerFormat, layer_file_name
from images.sparse import PartFile
from netboot_site.errors import ConflictError


def folder_of(image: Image) -> Path:
    """Where an image's files are."""
    return Path(settings.IMAGES_PATH) / image.pk


def upload_path(image: Image) -> Path:
    """What was uploaded: a raw disk on its way to be the head, or a file that is to be converted."""
    return folder_of(image) / "upload.part"


def import_path(image: Image) -> Path:
    """A disk that is being made out of something else."""
    return folder_of(image) / "import.part"


def begin_soon(job: Job) -> Job:
    """Start the node's worker for long work; were the message lost, its timer would within a second."""
    work.delay_on_commit_to(f"{job.image.node.queue}.jobs")  # type: ignore[attr-defined]  # NudgeTask
    return job


def refuse_while_in_use(image: Image) -> None:
    """By the rows, and by the target server itself, since a login of this second is in no row yet."""
    services.refuse_while_in_use(image)
    if logged_in_now(image.iqn):
        raise ConflictError(f"The image {image.pk!r} is in use; shut its device down first.")


def make_head(image: Image, part: PartFile, size_bytes: int, job: Job | None = None) -> None:
    """The part becomes the head: its bytes first, then its name, then the row that makes it count."""
    size_bytes = max(image.size_bytes, services.check_size(size_bytes=size_bytes))
    part.extend(size_bytes)
    contents = inspect(part.path)
    refuse_while_in_use(image)
    number = services.take_layer_number(image=image)
    head = Path(settings.IMAGES_PATH) / layer_file_name(image.pk, number, LayerFormat.RAW)
    part.path.rename(head)
    _sync_folder(head.parent)
    services.replace_content(image=image, number=number, size_bytes=size_bytes, contents=contents, job=job)


def _sync_folder(folder: Path) -> None:
    """A renamed file's new name is on the disk only when its folder is (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
