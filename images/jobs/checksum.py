"""SHA-256 of versions: computed once they are frozen, and compared ever after."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from datetime import timedelta
from typing import Protocol

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from images.disk_reading import OpenDisk, ahead, layer_path, open_layer
from images.jobs.progress import Cancelled, Progress
from images.models import Image, ImageState, Job, JobKind, JobState, Layer, LayerFormat, Version
from images.services import get_version
from netboot_site import journal, system
from netboot_site.errors import ConflictError

RETRY_AFTER = timedelta(hours=1)
CHECK_SECONDS = 3600.0  # qemu-img reads the tables of a layer, not its data
_ZEROS = bytes(1024 * 1024)  # stays in the processor's cache


def request_checksums(node: str) -> None:
    """A job for each frozen version of this node whose checksum is not known."""
    recent = Q(jobs__kind=JobKind.CHECKSUM) & (
        Q(jobs__finished_at=None)
        | Q(jobs__state=JobState.CANCELLED)
        | Q(jobs__state=JobState.FAILED, jobs__finished_at__gt=timezone.now() - RETRY_AFTER)
    )
    frozen = Version.objects.filter(image__node=node, sha256="", layer__observed_frozen_at__isnull=False)
    tried = frozen.filter(recent).values("pk")
    for version in frozen.exclude(pk__in=tried).exclude(image__state=ImageState.DELETING):
        add_checksum(version)


def add_checksum(version: Version) -> Job:
    """A job that computes or compares it; the one that is not finished, if there is one."""
    unfinished = Job.objects.filter(version=version, kind=JobKind.CHECKSUM, finished_at=None)
    try:
        with transaction.atomic():
            return unfinished.first() or Job.objects.create(
                image_id=version.image_id, version=version, kind=JobKind.CHECKSUM
            )
    except IntegrityError:  # another one asked at the same moment
        return unfinished.get()


@transaction.atomic
def request_verification(*, image: Image, number: int) -> Job:
    """Read a version again and compare its checksum. Raises ConflictError while it is being published."""
    version = get_version(image=image, number=number)
    if not version.is_ready:
        raise ConflictError(f"{version} is still being published; verify it when it is ready.")
    journal.record("image", image.pk, f"Check of version {number} asked for")
    return add_checksum(version)


def run_checksum(job: Job, progress: Progress) -> None:
    """Look at a version's files, read all of it, and note or compare its checksum.

    Raises ConflictError, which the version then tells, if anything is not as it was.
    """
    version = Version.objects.select_related("layer").filter(jobs=job).first()
    if version is None:
        raise Cancelled
    rows = Version.objects.filter(pk=version.pk, layer=version.layer)  # it may be squashed meanwhile
    try:
        found = _verified_sha256(version, job, progress)
    except ConflictError as error:
        rows.update(last_error=str(error), verified_at=timezone.now())
        raise
    rows.update(sha256=found, last_error="", verified_at=timezone.now())


def _verified_sha256(version: Version, job: Job, progress: Progress) -> str:
    _check_files(version.layer)
    with open_layer(version.layer, f"j{job.pk}") as disk:
        found = disk_sha256(disk, progress)
    if version.sha256 and version.sha256 != found:
        raise ConflictError("Its content is not what was published: its SHA-256 has changed.")
    return found


class Report(Protocol):
    """Who is told how far it is."""

    def report(self, done_bytes: int, total_bytes: int | None = None) -> None:
        """So much is done."""


def disk_sha256(disk: OpenDisk, progress: Report) -> str:
    """Of all its bytes, as a raw copy would have it. Holes are not read; they still must be hashed."""
    digest = hashlib.sha256()
    for piece in ahead(disk.pieces()):
        for data in [piece.data] if piece.data is not None else zeros(piece.length):
            digest.update(data)
        progress.report(piece.start + piece.length, disk.size_bytes)
    return digest.hexdigest()


def zeros(length: int) -> Iterator[memoryview]:
    """So many, in pieces."""
    view = memoryview(_ZEROS)
    for at in range(0, length, len(_ZEROS)):
        yield view[: length - at]


def _check_files(layer: Layer) -> None:
    """Every layer is there, nobody may write to it, and its tables are sound. Raises ConflictError."""
    current: Layer | None = layer
    while current is not None:
        _check_file(current)
        current = current.parent


def _check_file(layer: Layer) -> None:
    try:
        mode = layer_path(layer).stat().st_mode
    except FileNotFoundError as error:
        raise ConflictError(f"The file of {layer} is missing on the storage node.") from error
    if mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise ConflictError(f"The file of {layer} can be written to; it is to be read-only (0444).")
    if layer.format != LayerFormat.QCOW2:
        return
    argv = ["qemu-img", "check", "-q", "-f", layer.format, str(layer_path(layer))]
    # qemu-img(1): 3 means leaked clusters, which take room and harm nothing
    if system.run(argv, timeout_seconds=CHECK_SECONDS).exit_code not in {0, 3}:
        raise ConflictError(f"The file of {layer} is damaged: its tables contradict each other.")
