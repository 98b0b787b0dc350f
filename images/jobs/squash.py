"""Copies a version's whole content into one layer of its own.

The copy is written beside everything else, brought to the disk, read back and compared; then its file gets
its name, and one transaction says that it counts. Wherever that is cut off, the version is whole.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from django.conf import settings

from images import services
from images.disk_reading import OpenDisk, Piece, ahead, layer_path, open_file, open_layer
from images.jobs.checksum import disk_sha256, zeros
from images.jobs.progress import Cancelled, Progress
from images.models import Job, Layer, LayerFormat, Version
from images.qemu_files import FROZEN_MODE, sync
from images.sparse import data_runs
from netboot_site.errors import ConflictError, OrchestratorError

FLUSH_BYTES = 256 * 1024 * 1024  # so that the kernel never has to write very much at once beside the guests
_ST_BLOCK_BYTES = 512  # stat(2)


def run_squash(job: Job, progress: Progress) -> None:
    """Do it, from the beginning."""
    version = Version.objects.select_related("layer").filter(jobs=job).first()
    if version is None:
        raise Cancelled
    number = job.details["layer_number"]
    if version.layer.number == number:
        return  # all of it was done but to say so
    final = layer_path(Layer(image_id=version.image_id, number=number, format=LayerFormat.RAW))
    part = final.with_name(f"{final.name}.part")
    try:
        with open_layer(version.layer, f"j{job.pk}") as disk:
            sha256 = _copy(disk, part, progress)
        _compare(version, part, sha256, progress)
        _publish(version, number, sha256, part, final)
    finally:
        part.unlink(missing_ok=True)


def _copy(disk: OpenDisk, part: Path, progress: Progress) -> str:
    """Write a disk into a file of its own, zeros as holes. Returns the SHA-256 of what was read."""
    digest = hashlib.sha256()
    part.unlink(missing_ok=True)  # of somebody who was killed
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(descriptor, disk.size_bytes)
        unflushed = 0
        for piece in ahead(disk.pieces()):
            unflushed += _write(descriptor, piece, digest)
            if unflushed >= FLUSH_BYTES:
                os.fdatasync(descriptor)
                unflushed = 0
            progress.report(piece.start + piece.length, 2 * disk.size_bytes)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # to be compared as the disk has it
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def _write(descriptor: int, piece: Piece, digest: hashlib._Hash) -> int:
    """How many bytes of it took room."""
    if piece.data is None:
        for data in zeros(piece.length):
            digest.update(data)
        return 0
    digest.update(piece.data)
    _check_room(descriptor)
    view, written = memoryview(piece.data), 0
    for start, end in data_runs(piece.data):
        at = start
        while at < end:
            at += os.pwrite(descriptor, view[at:end], piece.start + at)
        written += end - start
    return written


def _check_room(descriptor: int) -> None:
    """The reserve is the machines', whose disks grow while we copy."""
    room = os.fstatvfs(descriptor)
    if room.f_bavail * room.f_frsize < settings.STORAGE_RESERVE_BYTES:
        raise ConflictError("No room is left on the storage node; the version stays as it was.")


def _compare(version: Version, part: Path, sha256: str, progress: Progress) -> None:
    """Raises ConflictError unless the copy is what the version was published as."""
    second = _SecondHalf(progress, version.size_bytes)
    with open_file(part, version.size_bytes) as copy:
        written = disk_sha256(copy, second)
    if {written, version.sha256 or sha256} != {sha256}:
        raise ConflictError(f"The copy of {version} differs from what was published; verify the version.")


class _SecondHalf:
    """Reading back is as long as writing was."""

    def __init__(self, progress: Progress, before_bytes: int) -> None:
        self._whole, self._before_bytes = progress, before_bytes

    def report(self, done_bytes: int, total_bytes: int | None = None) -> None:
        """As much is done as was before it, and this."""
        self._whole.report(self._before_bytes + done_bytes)


def _publish(version: Version, number: int, sha256: str, part: Path, final: Path) -> None:
    """File first, row last."""
    used_bytes = part.stat().st_blocks * _ST_BLOCK_BYTES
    part.chmod(FROZEN_MODE)
    part.rename(final)
    sync(final.parent)
    try:
        services.complete_squash(version=version, number=number, sha256=sha256, used_bytes=used_bytes)
    except OrchestratorError:
        final.unlink()
        raise
