"""Contents of boot files, kept in the database: each is there once, in parts, all of it or nothing."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from django.db import IntegrityError, connection, models, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from images.models import BLOB_MAX_BYTES, PART_BYTES, Blob
from netboot_site.errors import ConflictError, NotFoundError, ValidationError

SPARED = timedelta(hours=1)  # whoever brings a content refers to it soon after
REMOVED_AT_ONCE = 20  # at most 2.5 GiB, of which only index entries are touched
_CLAIM = """
INSERT INTO images_blob (sha256, size_bytes, created_at) VALUES (%s, %s, statement_timestamp())
ON CONFLICT DO NOTHING
"""
# COPY takes the bytes as they are: four times as fast as a statement that has them as text.
_WRITE = "COPY images_blobpart (blob_id, number, data) FROM STDIN (FORMAT BINARY)"
_READ = "COPY (SELECT data FROM images_blobpart WHERE blob_id = %s AND number = %s) TO STDOUT (FORMAT BINARY)"


def store_blob(*, source: Path | bytes) -> str:
    """Keep a file's content, or these bytes. Returns the SHA-256, which is its key.

    It is spared for an hour; whoever wants it longer refers to it by then. Raises ValidationError if it is
    too large, ConflictError if the file changes meanwhile.
    """
    with _opened(source) as file:
        sha256, size_bytes = _measured(file)
        if not Blob.objects.filter(pk=sha256).update(created_at=Now()):
            file.seek(0)
            _insert(sha256, size_bytes, file)
    return sha256


def blob_pieces(*, sha256: str) -> Iterator[bytes]:
    """A content, PART_BYTES at a time. Raises NotFoundError if it is not there."""
    blob = Blob.objects.filter(pk=sha256).first()
    if blob is None:
        raise NotFoundError("There is no such content; what named it is to be read anew.")
    for number in range(-(-blob.size_bytes // PART_BYTES)):
        yield _part(sha256, number)


def write_blob(*, sha256: str, path: Path) -> None:
    """Bring a content into a file of its own, which must not be there yet."""
    with path.open("xb") as file:
        for piece in blob_pieces(sha256=sha256):
            file.write(piece)


def remove_unused_blobs(*, most: int = REMOVED_AT_ONCE) -> int:
    """Delete contents that no row of any table refers to and that nobody brought lately; how many it was."""
    unused = Blob.objects.filter(created_at__lt=Now() - SPARED)
    for model, column in _referrers():
        unused = unused.exclude(Exists(model._default_manager.filter(**{column: OuterRef("pk")})))
    try:
        with transaction.atomic():
            # One that somebody is just bringing or naming is locked by them.
            rows = unused.select_for_update(skip_locked=True).order_by("created_at")
            keys = list(rows.values_list("pk", flat=True)[:most])
            Blob.objects.filter(pk__in=keys).delete()
    except IntegrityError:  # one of them was named since we looked
        return 0
    return len(keys)


def _referrers() -> Iterator[tuple[type[models.Model], str]]:
    """The tables that keep a content from going, those of rooms above ours among them."""
    for relation in Blob._meta.get_fields(include_hidden=True):
        if isinstance(relation, models.ManyToOneRel) and relation.on_delete is not models.CASCADE:
            yield relation.related_model, relation.field.name


def _opened(source: Path | bytes) -> AbstractContextManager[BinaryIO]:
    return source.open("rb") if isinstance(source, Path) else io.BytesIO(source)


def _measured(file: BinaryIO) -> tuple[str, int]:
    """The SHA-256 and the size."""
    digest, size_bytes = hashlib.sha256(), 0
    while size_bytes <= BLOB_MAX_BYTES and (data := file.read(PART_BYTES)):
        digest.update(data)
        size_bytes += len(data)
    if size_bytes > BLOB_MAX_BYTES:
        raise ValidationError(f"A boot file has at most {BLOB_MAX_BYTES // PART_BYTES} MiB.")
    return digest.hexdigest(), size_bytes


@transaction.atomic
def _insert(sha256: str, size_bytes: int, file: BinaryIO) -> None:
    """Who else brings the same content waits here for our end, and then has nothing to do."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [sha256, size_bytes])
        if not cursor.rowcount:
            return
        digest = hashlib.sha256()
        with cursor.copy(_WRITE) as copy:
            copy.set_types(["varchar", "int4", "bytea"])
            for number, data in enumerate(iter(lambda: file.read(PART_BYTES), b"")):
                digest.update(data)
                copy.write_row((sha256, number, data))
    if digest.hexdigest() != sha256:
        raise ConflictError("The file changed while it was read; try it again.")


def _part(sha256: str, number: int) -> bytes:
    with connection.cursor() as cursor, cursor.copy(_READ, [sha256, number]) as copy:
        copy.set_types(["bytea"])
        rows = list(copy.rows())
    if not rows:
        raise NotFoundError("The content was removed while it was read.")
    return bytes(rows[0][0])
