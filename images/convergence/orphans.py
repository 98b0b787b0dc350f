"""Files below a node's image folder that belong to no row: found each minute, removed when a person says so.

A file belongs to a row if a layer has its name, whatever that layer's state, or if something is being brought
into its image's folder. What changed within the last minute may belong to a row that is not written yet.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from images.convergence.files import READING_FOLDER
from images.models import ENDED, Image, ImageState, Job, Layer, StorageNode

logger = logging.getLogger(__name__)
LOOK_PERIOD = timedelta(minutes=1)
SETTLED_SECONDS = 60.0
MOST_SHOWN = 1000  # the row stays small, however many files somebody copied to the wrong place
_ST_BLOCK_BYTES = 512  # stat(2): st_blocks counts these
# lost+found: where the image folder is a file system of its own (e2fsck(8))
_NOBODY_S = frozenset({"lost+found", READING_FOLDER})
IN_USE = "It was not removed: a program has it open."


@dataclass(frozen=True, slots=True)
class Owned:
    """What belongs to rows: the file names of each image, and images whose folder is being written to."""

    files: Mapping[str, frozenset[str]]
    busy: frozenset[str] = frozenset()

    def owns(self, image_id: str, name: str) -> bool:
        """Whether a name in an image's folder is somebody's."""
        return image_id in self.busy or name in self.files[image_id]


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file, or a folder with all in it, that belongs to no row. `name` is for people, `path` is exact."""

    name: str
    path: Path
    bytes: int


def tend_orphans(node: StorageNode) -> None:
    """Remove what a person wants removed, and look for more once a minute."""
    now = timezone.now()
    due = node.observed_orphans_at is None or now - node.observed_orphans_at >= LOOK_PERIOD
    asked = node.orphans_to_remove
    if not (due or asked):
        return
    node.observed_orphans_at = now
    try:
        errors = _remove(node, asked)
        found = find_orphans(Path(settings.IMAGES_PATH), load_owned(node))
    except OSError as error:
        logger.warning("The image folder cannot be looked through: %s", error.strerror or error)
        StorageNode.objects.filter(pk=node.pk).update(observed_orphans_at=now)
        return
    _record(node, found, errors, now)


def load_owned(node: StorageNode) -> Owned:
    """What belongs to rows: three queries."""
    files: dict[str, set[str]] = {pk: set() for pk in _images(node).values_list("pk", flat=True)}
    for layer in Layer.objects.filter(image__node=node).only("image_id", "number", "format"):
        files.setdefault(layer.image_id, set()).add(layer.file_name.rpartition("/")[2])
    uploading = Q(state=ImageState.IMPORTING) | Q(upload_received_bytes__lt=F("upload_total_bytes"))
    busy = _images(node).filter(uploading).values_list("pk", flat=True)
    jobs = Job.objects.filter(image__node=node).exclude(state__in=ENDED).values_list("image_id", flat=True)
    return Owned({key: frozenset(names) for key, names in files.items()}, frozenset([*busy, *jobs]))


def _images(node: StorageNode) -> QuerySet[Image]:
    return Image.objects.filter(node=node)


def find_orphans(root: Path, owned: Owned) -> list[Orphan]:
    """All of them, by name. Links are looked at, never followed."""
    found: list[tuple[Orphan | None, float]] = []
    for entry in _entries(root):
        if entry.name in owned.files and entry.is_dir(follow_symlinks=False):
            inside = _entries(Path(entry.path))
            found += [_orphan(root, each) for each in inside if not owned.owns(entry.name, each.name)]
        elif entry.name not in _NOBODY_S:
            found.append(_orphan(root, entry))
    settled = timezone.now().timestamp() - SETTLED_SECONDS
    named = (orphan for orphan, changed_at in found if orphan is not None and changed_at <= settled)
    return sorted(named, key=lambda orphan: orphan.name)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, PermissionError):  # somebody else's folder is one orphan as a whole
        return []


def _orphan(root: Path, entry: os.DirEntry[str]) -> tuple[Orphan | None, float]:
    """With the time of the last change of it, or of anything in it."""
    try:
        states = list(_states(entry))
    except FileNotFoundError:  # it has gone while we looked
        return None, 0.0
    size_bytes = sum(state.st_blocks for state in states) * _ST_BLOCK_BYTES
    path = Path(entry.path)
    orphan = Orphan(shown(path.relative_to(root)), path, size_bytes)
    return orphan, max(state.st_ctime for state in states)


def _states(entry: os.DirEntry[str]) -> Iterator[os.stat_result]:
    yield entry.stat(follow_symlinks=False)
    if entry.is_dir(follow_symlinks=False):
        for inner in _entries(Path(entry.path)):
            yield from _states(inner)


def shown(path: Path) -> str:
    """A path as text that a row, a page and a JSON document take, whatever bytes it is made of."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in text)


def _remove(node: StorageNode, names: list[str]) -> dict[str, str]:
    """Remove those of these that are orphans now, by fresh rows. Returns why some were not removed."""
    if not names:
        return {}
    root = Path(settings.IMAGES_PATH)
    orphans = [each for each in find_orphans(root, load_owned(node)) if each.name in set(names)]
    opened = _opened_paths()
    errors = {}
    for orphan in orphans:
        if any(path == orphan.path or orphan.path in path.parents for path in opened):
            errors[orphan.name] = IN_USE
        elif error := _remove_one(orphan):
            errors[orphan.name] = error
    return errors


def _remove_one(orphan: Orphan) -> str:
    try:
        if orphan.path.is_dir() and not orphan.path.is_symlink():
            shutil.rmtree(orphan.path)
        else:
            orphan.path.unlink(missing_ok=True)
    except OSError as error:
        return f"It could not be removed: {(error.strerror or 'no reason was told').lower()}."
    logger.info("The orphan %s of %d bytes was removed.", orphan.name, orphan.bytes)
    return ""


def _opened_paths() -> set[Path]:
    """Files that a process of our user has open; tgtd and all others that may touch a disk are our user's."""
    found: set[Path] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # another user's, or it has ended
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    found.add(descriptor.readlink())
    return found


def _record(node: StorageNode, found: list[Orphan], errors: Mapping[str, str], now: datetime) -> None:
    with transaction.atomic():
        row = StorageNode.objects.select_for_update().get(pk=node.pk)
        since = {orphan["name"]: orphan["seen_at"] for orphan in row.observed_orphans}
        row.observed_orphans = [
            {
                "name": orphan.name,
                "bytes": orphan.bytes,
                "seen_at": since.get(orphan.name) or now.isoformat(),
                "error": errors.get(orphan.name, ""),
            }
            for orphan in found[:MOST_SHOWN]
        ]
        row.orphans_to_remove = sorted(set(row.orphans_to_remove) - set(node.orphans_to_remove))
        row.observed_orphans_at = now
        row.save(update_fields=["observed_orphans", "orphans_to_remove", "observed_orphans_at"])
