"""Reads the boot partition of a Raspberry Pi's disk, which may hold anything, while no machine writes it.

The work folder is this job's alone and is gone afterwards, whatever happens; one that a killed process left
is removed in the next round. A machine that logs in meanwhile notices nothing: the reading is given up.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from images import services
from images.convergence.files import READING_FOLDER
from images.disk_reading import layer_path, served_path, shown_as_file
from images.importing.limits import check_fits
from images.jobs.progress import REPORT_PERIOD_SECONDS, Cancelled, Progress
from images.jobs.running import job_lock
from images.logins import logged_in_now
from images.models import LONGEST_BOOT_PATH, Job, JobState, Layer, LayerFormat
from images.qemu import local_store
from images.raspberry_pi.initiator import find_initiator
from images.raspberry_pi.reading import BootBundle, read_boot_files
from images.services.boot_files import is_written, target_of
from images.services.jobs import end_job
from netboot_site.errors import ConflictError, OrchestratorError, ValidationError
from netboot_site.locks import advisory_lock

MOST_BYTES = 1024**3  # of a boot partition's files (images/raspberry_pi)
_FOLDER = re.compile(r"j(\d+)")


class GivenUpError(ConflictError):
    """It cannot be read just now: its machine came, or what shows the disk went. It is tried again soon."""


def run_boot_files(job: Job, progress: Progress) -> None:
    """Read a layer, and let that count unless a machine may have written it meanwhile."""
    rows = Layer.objects.select_related("image", "device", "boot_files")
    layer = rows.filter(jobs=job, boot_files__isnull=False).first()
    if layer is None:
        raise Cancelled
    try:
        _read(job, layer, progress)
    except (OrchestratorError, OSError) as error:
        if not isinstance(error, GivenUpError) and not _is_written_now(layer):
            if isinstance(error, ValidationError):
                services.note_unread(job=job, reason=str(error), damaged=True)
            raise
        told = "Its machine is using the disk; it is read again when that has logged out."
        end_job(job=job, state=JobState.CANCELLED, reason=told)
        raise Cancelled from error


def _read(job: Job, layer: Layer, progress: Progress) -> None:
    begun_at = timezone.now()
    if _is_written_now(layer):
        raise GivenUpError("Its machine is logged in.")
    with _work_folder(job) as work, _shown(layer, f"j{job.pk}") as disk:
        check_fits(min(MOST_BYTES, layer.size_bytes), work)
        watch = Watch(layer, progress, work)
        initiator = find_initiator(_below(work, "initiator"))
        found = read_boot_files(disk, _below(work, "disk"), initiator, watch)
        files, facts = _store(found, watch) if found is not None else (None, {})
        facts["has_initiator"] = initiator is not None
        if not _is_shown(disk):
            raise GivenUpError("What showed the disk has ended.")
    if _is_written_now(layer):
        raise GivenUpError("Its machine has logged in.")
    try:
        services.record_boot_files(layer=layer, begun_at=begun_at, files=files, facts=facts)
    except ConflictError as error:
        raise GivenUpError(str(error)) from error


@dataclass(slots=True)
class Watch:
    """Looks around while a disk is read: whether that is wanted, there is room, and no machine came."""

    layer: Layer
    progress: Progress
    work: Path
    _looked_at: float = 0.0

    def __call__(self, done_bytes: int, total_bytes: int) -> None:
        """So much is done. Raises what ends the reading."""
        self.progress.report(done_bytes, total_bytes)
        if time.monotonic() - self._looked_at < REPORT_PERIOD_SECONDS:
            return
        check_fits(1, self.work)
        if is_written(layer=self.layer):
            raise GivenUpError("Its machine has logged in.")
        self._looked_at = time.monotonic()


def _is_written_now(layer: Layer) -> bool:
    """As far as is recorded, and at this moment."""
    iqn = target_of(layer)
    return iqn is not None and (is_written(layer=layer) or logged_in_now(iqn))


@contextmanager
def _shown(layer: Layer, name: str) -> Iterator[Path]:
    """The plain file that shows it: where its machine would read it, if it is served to that."""
    may_be_written = layer.observed_frozen_at is None
    if may_be_written and _is_held(layer):
        raise GivenUpError("What shows the disk does not answer now.")
    if may_be_written and (path := served_path(layer)):
        yield Path(path)
        return
    with shown_as_file(layer, name, shared=may_be_written) as path:
        yield Path(path)


def _is_held(layer: Layer) -> bool:
    """Whether a process that is paused, or busy with a change, may have parts of it in its memory alone."""
    if layer.format == LayerFormat.RAW:
        return False
    writers = [one for one in local_store().observe().values() if one.alive and one.writable]
    return any(not one.top or (one.paused and one.top == str(layer_path(layer))) for one in writers)


def _is_shown(disk: Path) -> bool:
    """Whether what was read was there to the end; a program that looks at it cannot always tell."""
    if disk.is_relative_to(settings.LAYERS_RUN_PATH):
        return any(one.alive and one.path == str(disk) for one in local_store().observe().values())
    return disk.exists()


def _store(found: BootBundle, watch: Watch) -> tuple[dict[str, str], dict[str, Any]]:
    """SHA-256 by path, and the facts; what no row takes is left out and said."""
    files, facts = {}, _storable(dict(found.facts))
    done_bytes, total_bytes = watch.progress.done_bytes, watch.progress.total_bytes or 0
    for path, file in found.files.items():
        watch(done_bytes, total_bytes)
        if len(path) <= LONGEST_BOOT_PATH:
            files[path] = services.store_blob(source=file)
        else:
            facts["warnings"].append(f"The file {path[:40]}... is left out: its name is too long.")
    return files, facts


def _storable(value: Any) -> Any:
    """Text of a hostile disk, without the signs that PostgreSQL's jsonb refuses."""
    if isinstance(value, dict):
        return {_storable(key): _storable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(inner) for inner in value]
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    return value


def _below(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made


@contextmanager
def _work_folder(job: Job) -> Iterator[Path]:
    folder = Path(settings.IMAGES_PATH) / READING_FOLDER / f"j{job.pk}"
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers() -> None:
    """Work folders of jobs that nobody does any more."""
    root = Path(settings.IMAGES_PATH) / READING_FOLDER
    for folder in root.iterdir() if root.is_dir() else ():
        if match := _FOLDER.fullmatch(folder.name):
            with advisory_lock(job_lock(int(match[1]))) as nobody_does_it:
                if nobody_does_it:
                    shutil.rmtree(folder, ignore_errors=True)
