"""Which disk goes out: a version, which nobody writes, or a head that nobody writes just now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db.models import QuerySet

from images import lineage, services
from images.disk_reading import OpenDisk, layer_path, open_file, open_layer
from images.models import Export, ExportMode, Image, ImageState, Layer, LayerFormat, Version
from images.qemu import local_store
from images.services.usage import refuse_while_head_in_use
from images.tgt import local_server
from netboot_site.errors import ConflictError, UnavailableError


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
    try:
        targets = local_server().observe().targets
    except UnavailableError:
        return  # no server, no session
    if any(target.iqn == image.iqn and target.logins for target in targets):
        raise ConflictError(f"The image {image.pk!r} is in use; shut its device down first.")


def _writers(image: Image) -> QuerySet[Export]:
    return Export.objects.filter(image=image, mode=ExportMode.EXCLUSIVE)


@contextmanager
def opened(source: Source, name: str) -> Iterator[OpenDisk]:
    """Its bytes. A head that is served to its machine is read where that would read it."""
    path = _served_path(source)
    reading = (
        open_file(path, source.size_bytes) if path else open_layer(source.layer, name, source.size_bytes)
    )
    with reading as disk:
        yield disk


def _served_path(source: Source) -> str:
    if source.version is not None or source.layer.format == LayerFormat.RAW:
        return ""
    top = str(layer_path(source.layer))
    served = local_store().observe().values()
    return next((one.path for one in served if one.alive and one.writable and one.top == top), "")
