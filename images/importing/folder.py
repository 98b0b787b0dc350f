"""The folder on a storage node where a person puts disks to be imported: names only, no paths, no links."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from netboot_site.errors import ValidationError

MOST_LISTED = 1000
_LONGEST_NAME = 255  # NAME_MAX (limits.h)


@dataclass(frozen=True, slots=True)
class ImportFile:
    """A file that can be imported by its name."""

    name: str
    size_bytes: int
    modified_at: datetime


def list_files() -> list[ImportFile]:
    """The regular files there, by name."""
    try:
        with os.scandir(settings.IMPORT_PATH) as entries:
            rows = [(one.name, one.stat(follow_symlinks=False)) for one in entries if _is_name(one.name)]
    except OSError:  # not made yet, or changed while we looked
        return []
    files = [
        ImportFile(name, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
        for name, status in rows
        if stat.S_ISREG(status.st_mode)
    ]
    return sorted(files, key=lambda one: one.name)[:MOST_LISTED]


def path_of(name: str) -> Path:
    """Where the file of that name is, if there is one. Raises ValidationError for what is no plain name."""
    if not _is_name(name):
        raise ValidationError("`file` is the name of a file in the import folder, without any path.")
    return Path(settings.IMPORT_PATH) / name


def _is_name(name: str) -> bool:
    fits = 0 < len(os.fsencode(name) if name.isprintable() else b"") <= _LONGEST_NAME
    return fits and "/" not in name and not name.startswith(".")
