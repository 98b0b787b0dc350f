"""The list of the disks that devices have: overlays and heads, of an image, of a node, or of all."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString

from images.models import ExportMode, ExportState, Image, StorageNode
from images.overview import DiskWish, disks_shown, search_disks
from netboot_site.pages import Filter, address_of, asked, live_answer, live_fragment, page_of
from netboot_site.roles import may_write

STATES = [("", "All states"), *ExportState.choices]
MODES = [("", "Overlays and disks"), (ExportMode.OVERLAY, "Overlays"), (ExportMode.EXCLUSIVE, "Whole disks")]
IMAGES_OFFERED = 500


def index(request: HttpRequest) -> HttpResponse:
    """Disks by the names of their devices."""
    wish = _wish(request)
    context = {"q": wish.text, "live": _fragment(request, wish), "filters": _filters(wish)}
    return render(request, "images/disk_list.html", context)


def live(request: HttpRequest) -> HttpResponse:
    """The list, as it changes by itself."""
    return live_answer(request, _fragment(request, _wish(request)))


def _wish(request: HttpRequest) -> DiskWish:
    return DiskWish(*(asked(request, name) for name in ("q", "image", "node", "state", "mode")))


def _filters(wish: DiskWish) -> list[Filter]:
    images = Image.objects.values_list("id", "name")[:IMAGES_OFFERED]
    nodes = StorageNode.objects.values_list("name", flat=True)
    return [
        Filter("image", "Image", [("", "All images"), *images], wish.image),
        Filter("state", "State", STATES, wish.state), Filter("mode", "Kind", MODES, wish.mode),
        Filter("node", "Storage node", [("", "All nodes"), *((name, name) for name in nodes)], wish.node),
    ]  # fmt: skip


def _fragment(request: HttpRequest, wish: DiskWish) -> SafeString:
    page = page_of(request, search_disks(wish))
    context = {
        "page": page, "disks": disks_shown(page), "is_filtered": wish != DiskWish(), "with_image": True,
        "may_write": may_write(request.user), "image": None,
    }  # fmt: skip
    return live_fragment(
        request, "images/disk_rows.html", context, url=f"/disks/_live/?{address_of(request)}"
    )
