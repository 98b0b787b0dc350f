"""What an operator does to a device's overlay: reset, merge, and the changes that were kept aside."""

from __future__ import annotations

from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse

from bootflow.editions import edition_of
from bootflow.views.devices import find_device, guarded
from devices.models import Device
from images.forms import CommentForm, OverlayForm
from images.models import Layer
from images.overview import Disk, disk_of, version_numbers
from images.services import assign_image, discard_kept, merge_disk, reset_disk, restore_kept
from netboot_site.pages import Question, ask, posted
from netboot_site.roles import operator_required


@operator_required
def reset(request: HttpRequest, mac: str) -> HttpResponse:
    """A fresh overlay at once; refused while it is in use."""
    device, disk = _overlay(mac)
    question = Question(
        f"Reset the disk of {device}",
        f"Its next boot begins with a clean version {disk.next_number or disk.version_number}.",
        "Reset", "refresh", back=_back(device),
        lost=f"What {device} wrote to its disk is lost." if disk.has_changes else "",
    )  # fmt: skip
    return ask(
        request, question, Form(posted(request)), lambda: reset_disk(device=device),
        to=_back(device)[0], done=f"The disk of {device} is fresh again.",
    )  # fmt: skip


@operator_required
def change(request: HttpRequest, mac: str) -> HttpResponse:
    """Whether it keeps its changes, and which version it stands on."""
    device, disk = _overlay(mac)
    export = disk.export
    pinned = str(export.version.number) if export.version else export.follows
    form = OverlayForm(
        posted(request), numbers=version_numbers(export.image),
        initial={"persistence": export.persistence, "version": pinned},
    )  # fmt: skip
    question = Question(
        f"Change the disk of {device}",
        "Both count from its next boot on; what it does now is not disturbed.",
        "Change", "settings", back=_back(device), edition=edition_of(device.mac),
    )  # fmt: skip
    return ask(
        request, question, form, guarded(request, device, lambda: _change(disk, form)), to=_back(device)[0],
        done=f"The disk of {device} is changed.",
    )  # fmt: skip


def _change(disk: Disk, form: OverlayForm) -> None:
    fields, export = form.cleaned_data, disk.export
    assign_image(
        image=export.image, device=export.device, mode=export.mode,
        persistence=fields["persistence"] or None, version=fields["version"],
    )  # fmt: skip


@operator_required
def merge(request: HttpRequest, mac: str) -> HttpResponse:
    """Its overlay becomes the image's next version."""
    device, disk = _overlay(mac)
    form = CommentForm(posted(request))
    question = Question(
        f"Merge the disk of {device}",
        f"What {device} wrote on top of version {disk.version_number} becomes the next version of "
        f"{disk.export.image.name}. Devices that follow the latest version boot it next; channels stay.",
        "Merge", "git-merge", back=_back(device),
    )  # fmt: skip
    return ask(
        request, question, form,
        lambda: merge_disk(
            device=device, comment=form.cleaned_data["comment"], author=request.user.get_username()
        ),
        to=_back(device)[0], done=f"The disk of {device} is a version now.",
    )  # fmt: skip


@operator_required
def restore(request: HttpRequest, mac: str, number: int) -> HttpResponse:
    """Go on with changes that were kept aside."""
    device, disk = _overlay(mac)
    version = _version_of(_kept(disk, number))
    question = Question(
        f"Restore kept changes of {device}",
        f"{device} goes on with what it had changed on {version}, and stays on that version. "
        f"What its disk holds now is kept aside in its turn.",
        "Restore", "history", back=_back(device),
    )  # fmt: skip
    return ask(
        request, question, Form(posted(request)), lambda: restore_kept(device=device, layer_number=number),
        to=_back(device)[0], done=f"{device} goes on with its changes of {version}.",
    )  # fmt: skip


@operator_required
def discard(request: HttpRequest, mac: str, number: int) -> HttpResponse:
    """Delete changes that were kept aside."""
    device, disk = _overlay(mac)
    version = _version_of(_kept(disk, number))
    question = Question(
        f"Discard kept changes of {device}", "Its present disk stays as it is.", "Discard", "trash",
        lost=f"What {device} had changed on {version} is lost.", back=_back(device),
    )  # fmt: skip
    return ask(
        request, question, Form(posted(request)), lambda: discard_kept(device=device, layer_number=number),
        to=_back(device)[0], done=f"The kept changes of {device} are discarded.",
    )  # fmt: skip


def _overlay(mac: str) -> tuple[Device, Disk]:
    """404 for a device without an overlay."""
    device = find_device(mac)
    export = getattr(device, "export", None)
    if export is None or export.layer_id is None:
        raise Http404(f"{device} has no overlay.")
    return device, disk_of(export)


def _kept(disk: Disk, number: int) -> Layer:
    layer = next((layer for layer in disk.kept if layer.number == number), None)
    if layer is None:
        raise Http404(f"{disk.export.device} has kept no changes under the number {number}.")
    return layer


def _version_of(layer: Layer) -> str:
    return f"version {layer.base_version.number}" if layer.base_version else "a version that is gone"


def _back(device: Device) -> tuple[str, str]:
    return f"/devices/{device.mac}/disk/", str(device)
