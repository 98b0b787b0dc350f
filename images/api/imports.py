"""REST calls of imports from elsewhere; the storage node's own process answers them."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Status

from images import services
from images.api.versions import author
from images.around import look_around
from images.importing.asking import ask_for_import
from images.importing.folder import list_files
from images.schemas.imports import ImportFileOut, ImportIn, import_file_out
from images.schemas.jobs import JobOut, job_out

router = Router()


@router.post("/images/{image_id}/import", response={202: JobOut})
def import_image(request: HttpRequest, image_id: str, body: ImportIn) -> Status[JobOut]:
    """Fetch a disk from a URL, or take one from the storage node's import folder; a job does it."""
    image = services.get_image(image_id=image_id)
    job = ask_for_import(image=image, url=body.url, file=body.file, author=author(request))
    return Status(202, job_out(job, look_around()))


@router.get("/import-files", response=list[ImportFileOut])
def list_import_files(request: HttpRequest) -> list[ImportFileOut]:
    """What lies in the import folder, by name."""
    return [import_file_out(file) for file in list_files()]
