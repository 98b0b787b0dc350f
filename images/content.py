"""Takes a disk over HTTP: a raw one straight into the file that becomes the next head, an archive unpacked.

The old content stays whole until the new one is: bytes go into a part file, are brought to the disk, the file
is renamed, and one row says which head counts. Wherever that is cut off, one whole disk is there. What needs
all of its bytes before it can be read (pieces of an archive, qcow2...) is kept and handed to a job.
"""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.http import UnreadablePostError

from images import services
from images.convergence.uploads import alone
from images.importing import arrival, containers
from images.importing.formats import LOOK_BYTES, RAW, is_container, is_stream, recognise
from images.importing.limits import Budget, check_fits
from images.importing.unpacking import Unpacker
from images.models import Image, ImageState
from images.pieces import Piece, parse_piece, parse_sha256
from images.sparse import PIECE_BYTES, PartFile, WriteBehind
from netboot_site.errors import ConflictError, UnavailableError, ValidationError
from netboot_site.formats import GIB

REPORT_PERIOD_SECONDS = 0.5
CREATION_TIMEOUT_SECONDS = 10.0


class Stream(Protocol):
    """A request's body."""

    def read(self, size: int, /) -> bytes:
        """At most that many bytes; none at its end."""


def receive(*, image_id: str, stream: Stream, content_length: str, content_range: str, sha256: str) -> Image:
    """Take one piece of a disk, or all of it. Raises ConflictError, ValidationError, NotFoundError."""
    piece, digest = parse_piece(content_length, content_range), parse_sha256(sha256)
    _check_total(piece)
    image = services.get_image(image_id=image_id)
    with alone(image.pk):
        image.refresh_from_db()
        image = when_made(image)
        arrival.refuse_while_in_use(image)
        _check_position(image, piece)
        check_fits(piece.total - piece.start, Path(settings.IMAGES_PATH))
        first = _beginning(stream, piece)
        body = _body(first, stream)
        kind = recognise(first) if piece.start == 0 else RAW
        if piece.is_whole and is_stream(kind):
            _unpack(image, piece, kind, body, digest)
        else:
            _take(image, piece, body, digest)
    image.refresh_from_db()
    return image


def when_made(image: Image) -> Image:
    """An image that was asked for a moment ago gets its file before its content."""
    end = time.monotonic() + CREATION_TIMEOUT_SECONDS
    while image.state == ImageState.CREATING and time.monotonic() < end:
        time.sleep(0.1)
        image.refresh_from_db()
    if image.state in {ImageState.CREATING, ImageState.DELETING}:
        raise ConflictError(f"The image {image.pk!r} is {image.state}; its content cannot be changed now.")
    return image


def _check_total(piece: Piece) -> None:
    services.check_size(size_bytes=piece.total)
    if piece.total > settings.IMPORT_MAX_BYTES:
        limit = settings.IMPORT_MAX_BYTES / GIB
        raise ValidationError(f"An upload has at most {limit:.2f} GiB (IMPORT_MAX_BYTES).")


def _check_position(image: Image, piece: Piece) -> None:
    """Raises ConflictError for a piece that does not go on where we stand; byte 0 always begins anew."""
    received = image.upload_received_bytes or 0
    known = image.upload_total_bytes == piece.total and arrival.upload_path(image).is_file()
    if piece.start and (not known or piece.start != received):
        raise ConflictError(
            f"{received if known else 0} bytes of this upload have been received (received_bytes); "
            f"the next piece begins there, not at {piece.start}."
        )


def _beginning(stream: Stream, piece: Piece) -> bytes:
    """Of a new upload, enough to tell its format; it is looked at before anything is touched."""
    first = b""
    while piece.start == 0 and len(first) < min(LOOK_BYTES, piece.end) and (more := stream.read(PIECE_BYTES)):
        first += more
    return first


def _body(first: bytes, stream: Stream) -> Iterator[bytes]:
    if first:
        yield first
    while data := stream.read(PIECE_BYTES):
        yield data


def _unpack(image: Image, piece: Piece, kind: str, body: Iterator[bytes], wanted_digest: str) -> None:
    """All of an archive, unpacked while it comes."""
    digest = hashlib.sha256() if wanted_digest else None
    path = arrival.import_path(image)
    with _importing(image, piece) as upload, _opened(path, 0) as part, _told_of_disk_errors(part):
        try:
            with Unpacker(kind, part, Budget(path.parent)) as unpacker:
                _feed(image, unpacker, body, digest)
                if unpacker.taken_bytes != piece.total:
                    upload.kept_bytes = 0
                    raise ConflictError(
                        f"The connection ended after {unpacker.taken_bytes} bytes; send all of it again, "
                        f"or in pieces with Content-Range."
                    )
                unpacker.finish()
            if digest is not None and digest.hexdigest() != wanted_digest:
                raise _wrong_digest()
            part.flush()
            Image.objects.filter(pk=image.pk).update(upload_received_bytes=piece.total)
            arrival.make_head(image, part, part.position)
        finally:
            part.discard()


def _feed(image: Image, unpacker: Unpacker, body: Iterator[bytes], digest: hashlib._Hash | None) -> None:
    reported = time.monotonic()
    with suppress(UnreadablePostError):
        for data in body:
            unpacker.feed(data)
            if digest is not None:
                digest.update(data)
            if time.monotonic() - reported >= REPORT_PERIOD_SECONDS:
                Image.objects.filter(pk=image.pk).update(upload_received_bytes=unpacker.taken_bytes)
                reported = time.monotonic()


def _take(image: Image, piece: Piece, body: Iterator[bytes], wanted_digest: str) -> None:
    """Bytes as they are: a raw disk's, or of what is read when all of it is there."""
    digest = hashlib.sha256() if wanted_digest and piece.is_whole else None
    path, rows = arrival.upload_path(image), Image.objects.filter(pk=image.pk)
    with _importing(image, piece) as upload, _opened(path, piece.start) as part, _told_of_disk_errors(part):
        try:
            _write(image, part, body, digest)
            part.flush()
            rows.update(upload_received_bytes=part.durable)
            if part.position != piece.end:
                raise ConflictError(
                    f"The connection ended after {part.position} bytes; go on from there with Content-Range."
                )
            if piece.is_last:
                _check_digest(part, piece.total, wanted_digest, digest)
                _arrive(image, part, piece.total)
        finally:
            # Whoever tries again has at least one byte to send.
            upload.kept_bytes = min(part.durable, piece.total - 1) if part.durable else None


def _write(image: Image, part: PartFile, body: Iterator[bytes], digest: hashlib._Hash | None) -> None:
    """Write what comes until it ends or the client goes away, and tell at times how far it is."""
    reported = time.monotonic()
    with WriteBehind(part) as behind, suppress(UnreadablePostError):
        for data in body:
            behind.write(data)
            if digest is not None:
                digest.update(data)
            if time.monotonic() - reported >= REPORT_PERIOD_SECONDS:
                part.flush_behind()
                check_fits(1, part.path.parent)
                Image.objects.filter(pk=image.pk).update(upload_received_bytes=part.durable)
                reported = time.monotonic()


def _check_digest(part: PartFile, total: int, wanted: str, digest: hashlib._Hash | None) -> None:
    if wanted and wanted != (digest.hexdigest() if digest else part.sha256(total)):
        part.discard()
        raise _wrong_digest()


def _arrive(image: Image, part: PartFile, total: int) -> None:
    """All of it is there: a raw disk becomes the head, anything else is handed to a job."""
    try:
        kind = recognise(part.first(LOOK_BYTES))
        if is_container(kind):
            containers.check(part.path, kind)
    except ValidationError:
        part.discard()
        raise
    if kind == RAW:
        arrival.make_head(image, part, total)
    else:
        arrival.begin_soon(services.request_conversion(image=image, details={"source": "upload"}))


def _wrong_digest() -> ValidationError:
    return ValidationError("The bytes received do not have this SHA-256; the old content is untouched.")


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


@dataclass(slots=True)
class _Upload:
    """How many bytes of it outlive this request, if whoever sends it may go on."""

    kept_bytes: int | None = None


@contextmanager
def _importing(image: Image, piece: Piece) -> Iterator[_Upload]:
    """The image says `importing` meanwhile; however it ends, the row then tells where to resume."""
    services.begin_upload(image=image, received_bytes=piece.start, total_bytes=piece.total)
    upload = _Upload()
    try:
        yield upload
    finally:
        services.end_upload(image=image, kept_bytes=upload.kept_bytes)
