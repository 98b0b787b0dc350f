"""Takes a disk's bytes over HTTP straight into the file that becomes its next head.

The old content stays whole until the new one is: bytes go to `head-<n+1>.raw.part`, are brought to the disk,
the file is renamed, and one row says which head counts. Wherever that is cut off, one whole disk is there.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.http import UnreadablePostError

from images import services
from images.convergence import files
from images.convergence.uploads import upload_lock
from images.models import Image, ImageState
from images.pieces import LONGEST_MAGIC, Piece, check_raw, parse_piece, parse_sha256
from images.sparse import PIECE_BYTES, PartFile
from images.tgt import local_server
from netboot_site.errors import ConflictError, UnavailableError, ValidationError
from netboot_site.formats import GIB
from netboot_site.locks import advisory_lock

REPORT_PERIOD_SECONDS = 0.5
CREATION_TIMEOUT_SECONDS = 10.0


class Stream(Protocol):
    """A request's body."""

    def read(self, size: int, /) -> bytes:
        """At most that many bytes; none at its end."""


def receive(*, image_id: str, stream: Stream, content_length: str, content_range: str, sha256: str) -> Image:
    """Take one piece of a raw disk, or all of it. Raises ConflictError, ValidationError, NotFoundError."""
    piece, digest = parse_piece(content_length, content_range), parse_sha256(sha256)
    services.check_size(size_bytes=piece.total)
    image = services.get_image(image_id=image_id)
    with advisory_lock(upload_lock(image.pk)) as held:
        if not held:
            raise ConflictError(f"Another upload to the image {image.pk!r} is running.")
        image = _when_made(image)
        _refuse_while_in_use(image)
        _check_position(image, piece)
        _check_room(piece)
        _take(image, piece, _with_raw_start(stream, piece), digest)
    image.refresh_from_db()
    return image


def _when_made(image: Image) -> Image:
    """An image that was asked for a moment ago gets its file before its content."""
    end = time.monotonic() + CREATION_TIMEOUT_SECONDS
    while image.state == ImageState.CREATING and time.monotonic() < end:
        time.sleep(0.1)
        image.refresh_from_db()
    if image.state in {ImageState.CREATING, ImageState.DELETING}:
        raise ConflictError(f"The image {image.pk!r} is {image.state}; its content cannot be changed now.")
    return image


def _refuse_while_in_use(image: Image) -> None:
    """By the rows, and by the target server itself, since a login of this second is in no row yet."""
    if services.in_use(image=image) or _logged_in_now(image.iqn):
        raise ConflictError(f"The image {image.pk!r} is in use; shut its device down first.")


def _logged_in_now(iqn: str) -> bool:
    try:
        targets = local_server().observe().targets
    except UnavailableError:
        return False  # no server, no session
    return any(target.iqn == iqn and target.logins for target in targets)


def _part_path(image: Image) -> Path:
    return files.folder(image.pk) / "upload.part"


def _check_position(image: Image, piece: Piece) -> None:
    """Raises ConflictError for a piece that does not go on where we stand; byte 0 always begins anew."""
    received = image.upload_received_bytes or 0
    known = image.upload_total_bytes == piece.total and _part_path(image).is_file()
    if piece.start and (not known or piece.start != received):
        raise ConflictError(
            f"{received if known else 0} bytes of this upload have been received (received_bytes); "
            f"the next piece begins there, not at {piece.start}."
        )


def _check_room(piece: Piece) -> None:
    """Before the first byte, since a full disk would stop every other image too."""
    room = os.statvfs(settings.IMAGES_PATH)
    free = room.f_bavail * room.f_frsize
    if piece.total - piece.start > free:
        raise ConflictError(
            f"{(piece.total - piece.start) / GIB:.2f} GiB do not fit: "
            f"the storage node has {free / GIB:.2f} GiB left."
        )


def _with_raw_start(stream: Stream, piece: Piece) -> Iterator[bytes]:
    """The body in pieces; its beginning is looked at before anything is touched."""
    first = b""
    if piece.start == 0:
        while len(first) < min(LONGEST_MAGIC, piece.end) and (more := stream.read(PIECE_BYTES)):
            first += more
        check_raw(first)
    return _pieces(first, stream)


def _pieces(first: bytes, stream: Stream) -> Iterator[bytes]:
    if first:
        yield first
    while data := stream.read(PIECE_BYTES):
        yield data


def _take(image: Image, piece: Piece, pieces: Iterator[bytes], wanted_digest: str) -> None:
    digest = hashlib.sha256() if wanted_digest and piece.is_whole else None
    with _importing(image, piece) as part, _told_of_disk_errors(part):
        _write(image, part, pieces, digest)
        part.flush()
        if part.position != piece.end:
            raise ConflictError(
                f"The connection ended after {part.position} bytes; go on from there with Content-Range."
            )
        if not piece.is_last:
            return
        if wanted_digest and wanted_digest != (digest.hexdigest() if digest else part.sha256(piece.total)):
            part.discard()
            raise ValidationError(
                "The bytes received do not have this SHA-256; the old content is untouched."
            )
        _publish(image, part, piece.total)


def _write(image: Image, part: PartFile, pieces: Iterator[bytes], digest: hashlib._Hash | None) -> None:
    """Write what comes until it ends or the client goes away, and tell at times how far it is."""
    reported = time.monotonic()
    with suppress(UnreadablePostError):
        for data in pieces:
            part.write(data)
            if digest is not None:
                digest.update(data)
            if time.monotonic() - reported >= REPORT_PERIOD_SECONDS:
                part.flush_behind()
                Image.objects.filter(pk=image.pk).update(upload_received_bytes=part.durable)
                reported = time.monotonic()


@contextmanager
def _told_of_disk_errors(part: PartFile) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        part.discard()
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise ConflictError("The storage node's disk is full; the old content is untouched.") from error
        raise UnavailableError("The storage node cannot write; the old content is untouched.") from error


def _opened(path: Path, position: int) -> PartFile:
    try:
        return PartFile(path, position)
    except OSError as error:
        raise UnavailableError("This process cannot write to the storage node's image folder.") from error


@contextmanager
def _importing(image: Image, piece: Piece) -> Iterator[PartFile]:
    """The image says `importing` meanwhile; however it ends, the row then tells where to resume."""
    rows = Image.objects.filter(pk=image.pk)
    with _opened(_part_path(image), piece.start) as part:
        rows.update(
            state=ImageState.IMPORTING,
            upload_received_bytes=piece.start,
            upload_total_bytes=piece.total,
        )
        try:
            yield part
        finally:
            rows.update(upload_received_bytes=part.durable)
            rows.filter(state=ImageState.IMPORTING).update(state=ImageState.READY)


def _publish(image: Image, part: PartFile, total: int) -> None:
    """The part becomes the head: file first, row last."""
    _refuse_while_in_use(image)
    size_bytes = max(image.size_bytes, services.check_size(size_bytes=total))
    part.extend(size_bytes)
    number = services.take_layer_number(image=image)
    head = files.head_path(image.pk, number)
    part.path.rename(head)
    _sync_folder(head.parent)
    services.replace_content(image=image, number=number, size_bytes=size_bytes)


def _sync_folder(folder: Path) -> None:
    """A renamed file's new name is on the disk only when its folder is (fsync(2))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
