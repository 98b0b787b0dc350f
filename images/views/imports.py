"""A disk from elsewhere, asked for by a plain form; our script asks the API for the same."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from images.forms import ImportForm
from images.importing.asking import ask_from_afar
from images.models import Image
from images.views.images import find_image
from netboot_site.pages import Question, ask, posted
from netboot_site.roles import operator_required


@operator_required
def bring(request: HttpRequest, image_id: str) -> HttpResponse:
    """Let the storage node fetch a disk from an address, or take a file of its import folder."""
    image = find_image(image_id)
    form = ImportForm(posted(request))
    question = Question(
        f"Import into {image.name}",
        "The storage node fetches the disk and makes it the image's; versions stay. Give one of the two.",
        "Import", "download", lost="What the disk holds now is replaced, once all of the new is there.",
        back=(f"/images/{image.pk}/", image.name),
    )  # fmt: skip
    return ask(
        request, question, form, lambda: _ask_for(image, form, request.user.get_username()),
        to=f"/images/{image.pk}/", done="The import has begun; the page shows how far it is.",
    )  # fmt: skip


def _ask_for(image: Image, form: ImportForm, author: str) -> None:
    ask_from_afar(image=image, url=form.cleaned_data["url"], file=form.cleaned_data["file"], author=author)
