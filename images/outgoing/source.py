"""Which disk goes out: a version, which nobody writes, or a head that nobody writes just now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db.models import QuerySet

from images import lineage, services
from images.disk_reading import OpenDisk, open_file, open_layer, served_path
from images.logins import logged_in_now
from images.models import Export, ExportMode, Image, ImageState, Layer, Version
from images.services.usage import refuse_while_head_in_use
from netboot_site.errors import ConflictError


@dataclass(frozen=True, slots=True)
class Source:
    """A disk that is wanted."""

    image: Image
    layer: Layer
    size_bytes: int
    version: Version | None  # None: the head

    @property
    def name(self) -> str:
        """For its file's name: letters, digits and dashes."""
        return f"{self.image.pk}-v{self.version.number}" if self.version else f"{self.image.pk}-head"


def find_source(image: Image, number: int | None) -> Source:
    """Raises NotFoundError, or ConflictError where the disk is not whole or is being written."""
    if image.state not in {ImageState.READY, ImageState.IMPORTING}:
        raise ConflictError(f"The image {image.pk!r} is {image.state}; its disk cannot be read now.")
    if number is None:
        return _head(image)
    version = services.get_version(image=image, number=number)
    if not version.is_ready:
        raise ConflictError(f"{version} is still being published; export it when it is ready.")
    return Source(image, version.layer, version.size_bytes, version)


def _head(image: Image) -> Source:
    refuse_while_written(image)
    head = lineage.head_of(image)
    untouched = head.parent is not None and head.used_at is None and not _writers(image).exists()
    return Source(image, head.parent if untouched and head.parent else head, head.size_bytes, None)


def refuse_while_written(image: Image) -> None:
    """Raises ConflictError while a machine is logged in: as far as is recorded, and at this moment."""
    refuse_while_head_in_use(image)
    if logged_in_now(image.iqn):
        raise ConflictError(f"The image {image.pk!r} is in use; shut its device down first.")


def _writers(image: Image) -> QuerySet[Export]:
    return Export.objects.filter(image=image, mode=ExportMode.EXCLUSIVE)


@contextmanager
def opened(source: Source, name: str) -> Iterator[OpenDisk]:
    """Its bytes. A head that is served to its machine is read where that would read it."""
    path = served_path(source.layer) if source.version is None else ""
    reading = (
        open_file(path, source.size_bytes) if path else open_layer(source.layer, name, source.size_bytes)
    )
    with reading as disk:
        yield disk
