"""Writes a version, or the head, of an image into a file."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from images import services
from images.outgoing.source import find_source
from images.outgoing.transfer import QCOW2, RAW, SUFFIXES, ZST, Wanted, begin
from netboot_site import system
from netboot_site.errors import OrchestratorError

_ENDINGS = {".qcow2": QCOW2, ".zst": ZST}


class Command(BaseCommand):
    """`manage.py export_image IMAGE FILE`."""

    help = "Write an image's version, or its head while nothing uses it, into a new file."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Ours is `--version N`; Django's own, which tells Django's version, gives way."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What, and where to."""
        parser.add_argument("image", metavar="IMAGE", help="its id")
        parser.add_argument("file", metavar="FILE", type=Path, help="a new file")
        parser.add_argument("--version", type=int, metavar="N", help="its number; left out: the head")
        parser.add_argument("--format", choices=sorted(SUFFIXES), help="left out: told by the file's ending")

    def handle(self, *args: Any, image: str, file: Path, **options: Any) -> None:
        """A file that did not become whole is left empty."""
        chosen = options["format"] or _ENDINGS.get(file.suffix, RAW)
        try:
            source = find_source(services.get_image(image_id=image), options["version"])
            with file.open("xb") as target:  # before we become the storage user, who may not write there
                self._write(Wanted(source, chosen, author="manage.py"), target)
        except FileExistsError as error:
            raise CommandError(f"There is a file {file} already; name another one, or remove it.") from error
        except (OrchestratorError, OSError) as error:
            raise CommandError(str(error)) from error

    def _write(self, wanted: Wanted, target: BinaryIO) -> None:
        system.act_as_owner_of(Path(settings.IMAGES_PATH))
        whole = False
        try:
            transfer = begin(wanted)
            with closing(transfer.chunks) as chunks:
                for chunk in chunks:
                    target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
            whole = True
        finally:
            if not whole:
                target.truncate(0)
        self.stdout.write(f"{target.tell()} bytes of {wanted.file_name}")
