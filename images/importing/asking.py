"""What a person asks for: an import from a URL, or from a file in the storage node's import folder."""

from __future__ import annotations

import os

from django.conf import settings

from images import services
from images.content import when_made
from images.importing.arrival import begin_soon
from images.importing.download import check_url
from images.importing.folder import path_of
from images.importing.reading import open_regular
from images.models import Image, Job
from netboot_site.errors import ValidationError


def ask_for_import(*, image: Image, url: str = "", file: str = "", author: str = "") -> Job:
    """The job that will do it. Raises ValidationError, NotFoundError, ConflictError."""
    if file and not url and image.node_id == settings.STORAGE_NODE:
        os.close(open_regular(path_of(file)))  # another node finds out for itself, and its job says so
    return ask_from_afar(image=image, url=url, file=file, author=author)


def ask_from_afar(*, image: Image, url: str = "", file: str = "", author: str = "") -> Job:
    """The same where the import folder cannot be looked into: the job tells what is missing there."""
    if bool(url) == bool(file):
        raise ValidationError("Say where the disk is to come from: either `url` or `file`.")
    if url:
        check_url(url)
        details = {"source": "url", "url": url}
    else:
        path_of(file)
        details = {"source": "file", "name": file}
    job = services.request_import(image=when_made(image), details=details, author=author)
    return begin_soon(job)
