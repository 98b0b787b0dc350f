"""What an operator does to an image as a whole. Each view takes a POST, calls one service, and goes back."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from devices.services import get_device
from images.forms import AssignForm, ResizeForm
from images.models import ExportMode, Image
from images.services import assign_image, delete_image, resize_image, unassign_image
from images.views.images import assign_form, detail_page, find_image
from netboot_site.pages import REFUSED, attempt, attempt_and_return, saved
from netboot_site.roles import operator_required


@operator_required
@require_POST
def assign(request: HttpRequest, image_id: str) -> HttpResponse:
    """Give it to a device."""
    image = find_image(image_id)
    form = assign_form(image, request.POST)
    if form.is_valid() and attempt(form, lambda: _assign(image, form), field="device"):
        return saved(request, to=f"/images/{image.id}/", done=f"{image.name} is assigned.")
    return detail_page(request, find_image(image_id), status=REFUSED, assign_form=form)


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
@require_POST
def resize(request: HttpRequest, image_id: str) -> HttpResponse:
    """Make it larger."""
    image = find_image(image_id)
    form = ResizeForm(request.POST)
    if form.is_valid() and attempt(
        form, lambda: resize_image(image=image, size_bytes=form.size_bytes()), field="size_gb"
    ):
        return saved(
            request, to=f"/images/{image.id}/", done="The disk grows; its device sees that when it boots."
        )
    return detail_page(request, find_image(image_id), status=REFUSED, resize_form=form)


@operator_required
@require_POST
def delete(request: HttpRequest, image_id: str) -> HttpResponse:
    """Delete it with all that is on it; refused while it is assigned or in use."""
    image = find_image(image_id)
    return attempt_and_return(
        request, lambda: delete_image(image=image), to="/images/", refused=f"/images/{image.id}/",
        done=f"{image.name} is being deleted.",
    )  # fmt: skip
