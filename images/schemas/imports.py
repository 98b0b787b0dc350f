"""What the REST calls of imports take and answer."""

from __future__ import annotations

from datetime import datetime

from ninja import Schema

from devices.schemas import Text
from images.importing.folder import ImportFile


class ImportIn(Schema):
    """Where a disk is to come from: an `http` or `https` URL, or a file's name in the import folder."""

    url: Text = ""
    file: Text = ""


class ImportFileOut(Schema):
    """A file in the import folder of the storage node that answers."""

    name: str
    size_bytes: int
    modified_at: datetime


def import_file_out(file: ImportFile) -> ImportFileOut:
    """One row of the list."""
    return ImportFileOut(name=file.name, size_bytes=file.size_bytes, modified_at=file.modified_at)
