"""Reads published versions again and compares them with what they were."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from images import services
from images.jobs.checksum import add_checksum
from images.jobs.running import see_through
from images.models import Image, JobState, Version
from netboot_site import system
from netboot_site.errors import NotFoundError


class Command(BaseCommand):
    """`manage.py verify_images [IMAGE ...]`."""

    help = (
        "Compare published versions with their SHA-256, and their files' modes and tables with what they are "
        "to be. Ends with 1 if one is damaged or missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which images."""
        parser.add_argument("images", nargs="*", metavar="IMAGE", help="their ids; none: all images")

    def handle(self, *args: Any, images: list[str], **options: Any) -> None:
        """A line for each version."""
        wanted = [_image(image_id) for image_id in images] or list(Image.objects.all())
        system.act_as_owner_of(Path(settings.IMAGES_PATH))
        versions = Version.objects.filter(image__in=wanted).order_by("image_id", "number")
        results = [self._verify(version) for version in versions.select_related("image", "layer")]
        if not all(results):
            raise CommandError(f"{results.count(False)} of {len(results)} versions are damaged or missing.")
        self.stdout.write(f"{len(results)} of {len(results)} versions are intact.")

    def _verify(self, version: Version) -> bool:
        if not version.is_ready:
            self.stdout.write(f"{version}: not yet frozen, not looked at")
            return True
        job = add_checksum(version)
        see_through(job)
        version.refresh_from_db()
        intact = job.state == JobState.DONE
        told = f"intact, SHA-256 {version.sha256}" if intact else f"DAMAGED: {job.last_error or job.state}"
        self.stdout.write(f"{version}: {told}")
        return intact


def _image(image_id: str) -> Image:
    try:
        return services.get_image(image_id=image_id)
    except NotFoundError as error:
        raise CommandError(str(error)) from error
