"""Fills an image with the disk in a file or behind a URL."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import transaction

from devices.models import DeviceType
from images import services
from images.content import when_made
from images.importing.download import check_url
from images.importing.reading import Opened, opened_by_person
from images.importing.work import run_import
from images.jobs.progress import Cancelled, Progress
from images.jobs.running import claimed, ending
from images.models import Image, Job
from netboot_site import system
from netboot_site.errors import NotFoundError, OrchestratorError
from netboot_site.formats import GIB

SMALLEST_BYTES = 1024 * 1024  # the image grows to fit
LINE_PERIOD_SECONDS = 0.5


class LineProgress(Progress):
    """Also shows it on one line of the terminal."""

    def __init__(self, job: Job, out: OutputWrapper) -> None:
        super().__init__(job)
        self._out, self._shown_at = out, 0.0

    def report(self, done_bytes: int, total_bytes: int | None = None) -> None:
        """So much is done."""
        super().report(done_bytes, total_bytes)
        if time.monotonic() - self._shown_at >= LINE_PERIOD_SECONDS:
            self._shown_at = time.monotonic()
            self._out.write(f"\r{progress_words(done_bytes, self.total_bytes)}", ending="")
            self._out.flush()


def progress_words(done_bytes: int, total_bytes: int | None) -> str:
    """`45 % of 2.60 GiB`, as wide each time."""
    if not total_bytes:
        return f"{done_bytes / GIB:8.2f} GiB"
    return f"{100 * done_bytes // total_bytes:3d} % of {total_bytes / GIB:.2f} GiB"


class Command(BaseCommand):
    """`manage.py import_image ID FILE|URL [--create] [--name NAME] [--device-type TYPE]`."""

    help = (
        "Import a disk: raw, qcow2, vmdk, vhdx, vhd, vdi, or a raw one in xz, gzip, zstd or zip. Its former "
        "content stays until the new one is whole."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The image, and where its disk comes from."""
        parser.add_argument("image", metavar="ID")
        parser.add_argument("source", metavar="FILE|URL")
        parser.add_argument("--create", action="store_true", help="make the image if there is none")
        parser.add_argument("--name", default="", help="of an image that is made; else its id")
        parser.add_argument("--device-type", default=DeviceType.X64, choices=DeviceType.values)

    def handle(self, *args: Any, image: str, source: str, **options: Any) -> None:
        """Do it here, as the user whose files the images are."""
        try:
            row = self._fill(image, source, **options)
        except Cancelled:
            raise CommandError("Cancelled; the former content is untouched.") from None
        except (OrchestratorError, OSError) as error:
            raise CommandError(str(error)) from error
        system_name = row.contents.get("operating_system") or "no operating system that could be told"
        self.stdout.write(f"{row.pk}: {row.size_bytes / GIB:.2f} GiB, {system_name}.")

    def _fill(self, image_id: str, source: str, **options: Any) -> Image:
        with ExitStack() as stack:
            opened = None if "://" in source else stack.enter_context(opened_by_person(Path(source)))
            if opened is None:
                check_url(source)
            system.act_as_owner_of(Path(settings.IMAGES_PATH))
            row = when_made(self._image(image_id, **options))
            self._import(row, source, opened)
        row.refresh_from_db()
        return row

    def _image(self, image_id: str, *, create: bool, name: str, device_type: str, **_: Any) -> Image:
        try:
            return services.get_image(image_id=image_id)
        except NotFoundError:
            if not create:
                raise
        return services.create_image(
            image_id=image_id, name=name or image_id, size_bytes=SMALLEST_BYTES, device_type=device_type
        )

    def _import(self, image: Image, source: str, opened: Opened | None) -> None:
        """As a job that is ours from its first moment, so that pages show it and no worker begins it."""
        if image.node_id != settings.STORAGE_NODE:
            raise CommandError(f"The image {image.pk!r} is on the node {image.node_id!r}; import it there.")
        details = {"source": "terminal"} if opened else {"source": "url", "url": source}
        with ExitStack() as stack:
            with transaction.atomic():
                job = services.request_import(image=image, details=details)
                ours = stack.enter_context(claimed(job))
            if not ours:
                raise CommandError("Another program does this import.")
            with ending(job, progress := LineProgress(job, self.stderr)):
                _run(job, progress, opened)


def _run(job: Job, progress: Progress, opened: Opened | None) -> None:
    try:
        run_import(job, progress, opened)
    except KeyboardInterrupt:  # convergence clears away what was begun, as after any other end of us
        raise Cancelled from None
