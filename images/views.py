"""Pages of images: the list, one image, and what an operator does to it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from devices.services import get_device
from images.forms import AssignForm, ImageForm, ResizeForm
from images.models import Image, ImageState
from images.overview import open_sessions_of, past_sessions_of, search_images
from images.schemas import progress
from images.services import assign_image, create_image, delete_image, resize_image, unassign_image
from netboot_site.pages import asked, attempt, attempt_and_return, live_answer, live_fragment, page_of, saved
from netboot_site.roles import may_write, operator_required, require_operator

STATES = [("", "All states"), *ImageState.choices]
REFUSED = 422


def image_list(request: HttpRequest) -> HttpResponse:
    """All images, and the form that makes one."""
    form = ImageForm(request.POST or None)
    if request.method == "POST":
        require_operator(request)
        if form.is_valid() and attempt(form, lambda: _create(form)):
            to = f"/images/{form.cleaned_data['image_id']}/"
            return saved(request, to=to, done=f"{form.cleaned_data['name']} is being made.")
    text, state = asked(request, "q"), asked(request, "state")
    page = page_of(request, search_images(text=text, state=state))
    context = {"page": page, "q": text, "state": state, "states": STATES, "form": form}
    return render(request, "images/list.html", context, status=REFUSED if form.errors else 200)


def _create(form: ImageForm) -> Image:
    fields = form.cleaned_data
    return create_image(
        image_id=fields["image_id"], name=fields["name"], size_bytes=form.size_bytes(),
        device_type=fields["device_type"],
    )  # fmt: skip


def image_detail(request: HttpRequest, image_id: str) -> HttpResponse:
    """One image: its state, who has it, who is logged in."""
    return _detail(request, _find(image_id))


def image_live(request: HttpRequest, image_id: str) -> HttpResponse:
    """The part of it that changes by itself; the list, once the image is gone."""
    return live_answer(request, _fragment(request, _find(image_id)))


@operator_required
@require_POST
def assign(request: HttpRequest, image_id: str) -> HttpResponse:
    """Give it to a device."""
    image = _find(image_id)
    form = AssignForm(request.POST, device_type=image.device_type)
    if form.is_valid() and attempt(form, lambda: _assign(image, form), field="device"):
        return saved(request, to=f"/images/{image.id}/", done=f"{image.name} is assigned.")
    return _detail(request, _find(image_id), status=REFUSED, assign_form=form)


def _assign(image: Image, form: AssignForm) -> None:
    assign_image(image=image, device=get_device(mac=form.cleaned_data["device"]))


@operator_required
@require_POST
def unassign(request: HttpRequest, image_id: str) -> HttpResponse:
    """Take it from its device; refused while it is in use."""
    image = _find(image_id)
    return attempt_and_return(
        request, lambda: unassign_image(image=image), to=f"/images/{image.id}/",
        done=f"{image.name} is free again.",
    )  # fmt: skip


@operator_required
@require_POST
def resize(request: HttpRequest, image_id: str) -> HttpResponse:
    """Make it larger."""
    image = _find(image_id)
    form = ResizeForm(request.POST)
    if form.is_valid() and attempt(
        form, lambda: resize_image(image=image, size_bytes=form.size_bytes()), field="size_gb"
    ):
        return saved(
            request, to=f"/images/{image.id}/", done="The disk grows; its device sees that when it boots."
        )
    return _detail(request, _find(image_id), status=REFUSED, resize_form=form)


@operator_required
@require_POST
def delete(request: HttpRequest, image_id: str) -> HttpResponse:
    """Delete it with all that is on it; refused while it is assigned or in use."""
    image = _find(image_id)
    return attempt_and_return(
        request, lambda: delete_image(image=image), to="/images/", refused=f"/images/{image.id}/",
        done=f"{image.name} is being deleted.",
    )  # fmt: skip


def _find(image_id: str) -> Image:
    rows = Image.objects.select_related("node").prefetch_related("exports__device", "exports__image")
    return get_object_or_404(rows, pk=image_id)


def _detail(request: HttpRequest, image: Image, *, status: int = 200, **refused: Form) -> HttpResponse:
    context: dict[str, Any] = {
        "image": image, "live": _fragment(request, image), "content_url": _content_url(request, image),
    }  # fmt: skip
    if may_write(request.user):
        context["assign_form"] = AssignForm(device_type=image.device_type)
        context["resize_form"] = ResizeForm()
        context.update(refused)
    return render(request, "images/detail.html", context, status=status)


def _content_url(request: HttpRequest, image: Image) -> str:
    # Shown to be copied, never followed by us: so the name that the browser used is the right one.
    host = request.META.get("HTTP_HOST") or f"{settings.BOOT_ADDRESS}:{settings.API_PORT}"
    return f"{request.scheme}://{host}/api/v1/images/{image.id}/content"


def _fragment(request: HttpRequest, image: Image) -> SafeString:
    busy = image.state in {ImageState.CREATING, ImageState.IMPORTING, ImageState.DELETING}
    context = {
        "image": image, "sessions": open_sessions_of(image), "past": past_sessions_of(image),
        "percent": round(100 * progress(image), 1), "busy": busy,
    }  # fmt: skip
    return live_fragment(request, "images/live.html", context, url=f"/images/{image.id}/live/", busy=busy)
