"""What an operator does to an image as a whole. Each view takes a POST, calls one service, and goes back."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from devices.services import get_device
from images.forms import AssignForm, ResizeForm
from images.models import ExportMode, Image
from images.overview import version_numbers
from images.services import assign_image, delete_image, head_in_use, resize_image, unassign_image
from images.views.images import find_image
from netboot_site.pages import Question, ask, attempt_and_return, posted
from netboot_site.roles import operator_required
from netboot_site.templatetags.ui import size


@operator_required
def assign(request: HttpRequest, image_id: str) -> HttpResponse:
    """Give it to a device."""
    image = find_image(image_id)
    form = AssignForm(posted(request), device_type=image.device_type, numbers=version_numbers(image))
    question = Question(
        f"Assign {image.name}",
        "As an overlay each device gets a private layer over a version, and many can have the image. "
        "The disk itself goes to one device, which alone writes it.",
        "Assign", "link", back=_back(image),
    )  # fmt: skip
    return ask(
        request, question, form, lambda: _assign(image, form), to=_back(image)[0],
        done=f"{image.name} is assigned.",
    )  # fmt: skip


def _assign(image: Image, form: AssignForm) -> None:
    assign_image(
        image=image, device=get_device(mac=form.cleaned_data["device"]),
        mode=form.cleaned_data["mode"] or ExportMode.EXCLUSIVE,
        persistence=form.of_overlay("persistence"), version=form.of_overlay("version"),
    )  # fmt: skip


@operator_required
@require_POST
def unassign(request: HttpRequest, image_id: str) -> HttpResponse:
    """Take it from its device, or from the one that `mac` names; refused while it is in use."""
    image, mac = find_image(image_id), request.POST.get("mac", "")
    return attempt_and_return(
        request, lambda: unassign_image(image=image, device=get_device(mac=mac) if mac else None),
        to=f"/images/{image.id}/", done=f"{image.name} is free again.",
    )  # fmt: skip


@operator_required
def resize(request: HttpRequest, image_id: str) -> HttpResponse:
    """Make it larger."""
    image = find_image(image_id)
    form = ResizeForm(posted(request))
    when = "it sees the new size at its next boot" if head_in_use(image=image) else "there is room at once"
    question = Question(
        f"Grow {image.name}",
        f"The disk has {size(image.size_bytes)} now and can only grow: {when}. Versions keep their size; "
        f"the next one has the new size, and so have the disks that stand on it.",
        "Grow", "arrows-maximize", back=_back(image),
    )  # fmt: skip
    return ask(
        request, question, form, lambda: resize_image(image=image, size_bytes=form.size_bytes()),
        to=_back(image)[0], done="The disk grows; a device that runs on it sees that at its next boot.",
    )  # fmt: skip


@operator_required
@require_POST
def delete(request: HttpRequest, image_id: str) -> HttpResponse:
    """Delete it with all that is on it; refused while it is assigned or in use."""
    image = find_image(image_id)
    return attempt_and_return(
        request, lambda: delete_image(image=image), to="/images/", refused=f"/images/{image.id}/",
        done=f"{image.name} is being deleted.",
    )  # fmt: skip


def _back(image: Image) -> tuple[str, str]:
    return f"/images/{image.id}/", image.name
