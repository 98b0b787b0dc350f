"""Changes of the files that people put into kernel sets."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Protocol

from django.db import transaction
from django.http import UnreadablePostError

from bootflow.models import KernelSet, KernelSetFile
from images.models import BLOB_MAX_BYTES, PART_BYTES
from images.services.blobs import store_blob
from netboot_site import journal
from netboot_site.errors import ConflictError, NotFoundError, ValidationError

PATH_MAX = 200
DEPTH_MAX = 4
FILES_MAX = 2000
_SEGMENT = re.compile(r"[A-Za-z0-9._+@-]+")


class Stream(Protocol):
    """A request's body."""

    def read(self, size: int, /) -> bytes:
        """At most that many bytes; none at its end."""


def check_file_path(path: str) -> str:
    """A path in a set: `start4.elf`, `overlays/vc4-kms-v3d.dtbo`. Raises ValidationError."""
    parts = path.split("/")
    sound = all(_SEGMENT.fullmatch(part) and part not in {".", ".."} for part in parts)
    if not sound or len(path) > PATH_MAX or len(parts) > DEPTH_MAX:
        raise ValidationError(
            f"A path in a kernel set is relative, has at most {DEPTH_MAX} names of letters, digits and "
            f"._+@- with slashes between them, at most {PATH_MAX} characters, and no '..'."
        )
    return path


def receive_file(
    *, kernel_set: KernelSet, path: str, stream: Stream, content_length: str
) -> tuple[KernelSetFile, bool]:
    """Take a file's bytes from a request; whether it is a new one. Nothing changes before all are there.

    Raises ValidationError, ConflictError.
    """
    check_file_path(path)
    _refuse_image_s(kernel_set)
    length = int(content_length) if content_length.isdecimal() and len(content_length) < 20 else None
    if length is not None and length > BLOB_MAX_BYTES:
        raise _too_large()
    with tempfile.NamedTemporaryFile(prefix="nb-upload-") as file:
        received = _copy(stream, file)
        if length is not None and received < length:
            raise ValidationError(f"The connection ended after {received} of {length} bytes; send it again.")
        file.flush()
        sha256 = store_blob(source=Path(file.name))
    return put_file(kernel_set=kernel_set, path=path, sha256=sha256)


@transaction.atomic
def put_file(*, kernel_set: KernelSet, path: str, sha256: str) -> tuple[KernelSetFile, bool]:
    """Let a set have a content that is there under a path; whether the path is new."""
    row = KernelSet.objects.select_for_update().filter(pk=kernel_set.pk).first()
    if row is None:
        raise NotFoundError(f"There is no kernel set named {kernel_set.name!r}.")
    _refuse_image_s(row)
    check_file_path(path)
    paths = set(KernelSetFile.objects.filter(kernel_set=row).values_list("path", flat=True))
    _check_fits(path, paths)
    file, is_new = KernelSetFile.objects.select_related("blob").update_or_create(
        kernel_set=row, path=path, defaults={"blob_id": sha256}
    )
    journal.record("kernel set", row.name, f"{path} {'added' if is_new else 'replaced'}")
    return file, is_new


@transaction.atomic
def delete_file(*, kernel_set: KernelSet, path: str) -> None:
    """Take a file out of a set. Raises NotFoundError, ConflictError."""
    _refuse_image_s(kernel_set)
    get_file(kernel_set=kernel_set, path=path).delete()
    journal.record("kernel set", kernel_set.name, f"{path} deleted")


def get_file(*, kernel_set: KernelSet, path: str) -> KernelSetFile:
    """A file that somebody put into a set. Raises NotFoundError."""
    rows = KernelSetFile.objects.select_related("blob").filter(kernel_set=kernel_set)
    found = rows.filter(path=path).first() if "\0" not in path else None
    if found is None:
        raise NotFoundError(f"The kernel set {kernel_set.name!r} has no file {path[:PATH_MAX]!r}.")
    return found


def _refuse_image_s(kernel_set: KernelSet) -> None:
    if kernel_set.is_of_image:
        raise ConflictError(
            f"The files of {kernel_set.name!r} are the boot partition of its image; change them there, or "
            f"put them into a kernel set of their own."
        )


def _check_fits(path: str, paths: set[str]) -> None:
    """A name is either a file or a folder."""
    parts = path.split("/")
    above = {"/".join(parts[:count]) for count in range(1, len(parts))}
    if above & paths or any(other.startswith(f"{path}/") for other in paths):
        raise ConflictError(f"{path!r} would be a file and a folder at once in this kernel set.")
    if path not in paths and len(paths) >= FILES_MAX:
        raise ValidationError(f"A kernel set has at most {FILES_MAX} files.")


def _copy(stream: Stream, file: tempfile._TemporaryFileWrapper[bytes]) -> int:
    received = 0
    try:
        while data := stream.read(PART_BYTES):
            received += len(data)
            if received > BLOB_MAX_BYTES:
                raise _too_large()
            file.write(data)
    except UnreadablePostError as error:
        raise ValidationError(f"The connection ended after {received} bytes; send it again.") from error
    return received


def _too_large() -> ValidationError:
    return ValidationError(f"A file of a kernel set has at most {BLOB_MAX_BYTES // PART_BYTES} MiB.")
