"""Pages of images: the list, and one image with all that can be done to it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import SafeString

from devices.models import DeviceType
from images.around import look_around
from images.forms import ImageForm
from images.models import ChannelName, Image, ImageState, StorageNode
from images.overview import (
    Disk,
    ImageWish,
    contents_of,
    count_disks,
    disks_of,
    head_of,
    jobs_of,
    partitions_of,
    rows_of,
    search_images,
    sessions_of,
    versions_of,
    with_all_shown,
)
from images.schemas.images import progress
from images.services import create_image
from images.waiting import own_waits
from netboot_site.history import last_changes
from netboot_site.pages import (
    REFUSED,
    Filter,
    address_of,
    asked,
    attempt,
    live_answer,
    live_fragment,
    page_of,
    posted,
    saved,
)
from netboot_site.roles import may_write, operator_required

STATES = [("", "All states"), *ImageState.choices]
TYPES = [("", "All types"), *DeviceType.choices]
SORTS = [
    ("", "By name"), ("-created", "Newest first"), ("-size", "Largest first"),
    ("-used", "Most used first"), ("state", "By state"),
]  # fmt: skip


def image_list(request: HttpRequest) -> HttpResponse:
    """All images, or those that are asked for."""
    wish = _wish(request)
    nodes = list(StorageNode.objects.values_list("name", flat=True))
    filters = [
        Filter("state", "State", STATES, wish.state), Filter("type", "Type", TYPES, wish.device_type),
        Filter("sort", "Order", SORTS, asked(request, "sort")),
    ]  # fmt: skip
    if len(nodes) > 1:
        choices = [("", "All nodes"), *((name, name) for name in nodes)]
        filters.insert(2, Filter("node", "Storage node", choices, wish.node))
    context = {"q": wish.text, "filters": filters, "live": _rows(request, wish)}
    return render(request, "images/list.html", context)


def image_rows(request: HttpRequest) -> HttpResponse:
    """The rows of the list, as they change by themselves."""
    return live_answer(request, _rows(request, _wish(request)))


def _wish(request: HttpRequest) -> ImageWish:
    return ImageWish(
        text=asked(request, "q"), state=asked(request, "state"), device_type=asked(request, "type"),
        node=asked(request, "node"), sort=asked(request, "sort"),
    )  # fmt: skip


def _rows(request: HttpRequest, wish: ImageWish) -> SafeString:
    page = page_of(request, with_all_shown(search_images(wish)))
    around = look_around([image.pk for image in page])
    rows = [
        {"image": image, "jobs": rows_of(image.work, around), "waits": own_waits(image, around)}
        for image in page
    ]
    is_filtered = any((wish.text, wish.state, wish.device_type, wish.node))
    context = {"page": page, "rows": rows, "is_filtered": is_filtered}
    url = f"/images/_live/?{address_of(request)}"
    return live_fragment(request, "images/rows.html", context, url=url)


@operator_required
def image_new(request: HttpRequest) -> HttpResponse:
    """The form that makes one; our script fills it in the same go."""
    form = ImageForm(posted(request))
    if request.method == "POST" and form.is_valid() and attempt(form, lambda: _create(form)):
        to = f"/images/{form.cleaned_data['image_id']}/"
        return saved(request, to=to, done=f"{form.cleaned_data['name']} is being made.")
    return render(request, "images/new.html", {"form": form}, status=REFUSED if form.errors else 200)


def _create(form: ImageForm) -> Image:
    fields = form.cleaned_data
    return create_image(
        image_id=fields["image_id"], name=fields["name"], size_bytes=form.size_bytes(),
        device_type=fields["device_type"], node=fields["node"] or None,
    )  # fmt: skip


def image_detail(request: HttpRequest, image_id: str) -> HttpResponse:
    """One image: its state, versions, who has it, who is logged in."""
    image = find_image(image_id)
    context = {
        "image": image, "live": _fragment(request, image), "content_url": _content_url(request, image),
    }  # fmt: skip
    return render(request, "images/detail.html", context)


def image_live(request: HttpRequest, image_id: str) -> HttpResponse:
    """The part of it that changes by itself; the list, once the image is gone."""
    return live_answer(request, _fragment(request, find_image(image_id)))


def find_image(image_id: str) -> Image:
    """The image with its node; 404 without one."""
    return get_object_or_404(Image.objects.select_related("node"), pk=image_id)


def _content_url(request: HttpRequest, image: Image) -> str:
    # Shown to be copied, never followed by us: so the name that the browser used is the right one.
    host = request.META.get("HTTP_HOST") or f"{settings.BOOT_ADDRESS}:{settings.API_PORT}"
    return f"{request.scheme}://{host}/api/v1/images/{image.id}/content"


def _fragment(request: HttpRequest, image: Image) -> SafeString:
    around = look_around([image.pk])
    versions, disks, jobs = versions_of(image, around), disks_of(image, around), jobs_of(image)
    context = {
        "image": image, "versions": versions, "disks": disks, "head": head_of(image),
        "writer": next((disk for disk in disks if not disk.is_overlay), None),
        "channels": ChannelName.choices, "percent": round(100 * progress(image), 1),
        "sessions": sessions_of(image),
        "may_write": may_write(request.user), "jobs": rows_of(jobs, around), "contents": contents_of(image),
        "grows_later": _grows_later(image, disks), "disk_count": count_disks(image),
        "waits": own_waits(image, around), "changes": last_changes("image", image.pk),
        "partitions": partitions_of(image) if image.device_type == DeviceType.RASPI else [],
    }  # fmt: skip
    return live_fragment(request, "images/live.html", context, url=f"/images/{image.id}/live/")


def _grows_later(image: Image, disks: list[Disk]) -> bool:
    """Whether a device runs on the head with a smaller size than it shall have."""
    seen = image.observed_size_bytes
    return (
        seen is not None
        and seen < image.size_bytes
        and any(not disk.is_overlay and disk.in_use for disk in disks)
    )
