"""What an operator does with versions: publish, promote, roll back, clone, delete."""

from __future__ import annotations

from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from images.forms import CloneForm, CommentForm
from images.jobs.checksum import request_verification
from images.models import Image
from images.overview import Head, VersionRow, head_of, versions_of
from images.services import (
    clone_image,
    close_channel,
    delete_version,
    promote,
    publish_version,
    request_squash,
    roll_back,
)
from images.views.images import find_image
from netboot_site.pages import Question, ask, attempt_and_return, layout_of, posted
from netboot_site.roles import operator_required


def detail(request: HttpRequest, image_id: str, number: int) -> HttpResponse:
    """One version: its checksum, what stands on it, and what can be done with it."""
    image = find_image(image_id)
    row = _row(image, number)
    context = {"image": image, "row": row, "waits": row.waits, "layout": layout_of(request)}
    return render(request, "images/version.html", context)


@operator_required
def publish(request: HttpRequest, image_id: str) -> HttpResponse:
    """Freeze what the head holds as the next version."""
    image = find_image(image_id)
    form, head = CommentForm(posted(request)), head_of(image)
    question = Question(
        f"Publish {image.name}", _what_is_published(head), "Publish", "send", back=_back(image)
    )
    return ask(
        request, question, form,
        lambda: publish_version(
            image=image, comment=form.cleaned_data["comment"], author=request.user.get_username()
        ),
        to=_back(image)[0], done=f"{image.name} is published.",
    )  # fmt: skip


def _what_is_published(head: Head | None) -> str:
    if head is not None and head.base is not None and head.is_untouched:
        return (
            f"Nothing was written to the disk since version {head.base.number}: the new version would hold "
            f"the same. It takes a moment, whatever the size."
        )
    return (
        "What the disk holds now becomes the next version, which never changes again. It takes a moment, "
        "whatever the size; a device that runs on the disk is not disturbed."
    )


@operator_required
def roll_back_to(request: HttpRequest, image_id: str, number: int) -> HttpResponse:
    """Put an empty head over an older version."""
    image = find_image(image_id)
    row, form = _row(image, number), Form(posted(request))
    question = Question(
        f"Roll {image.name} back to version {number}",
        f"The disk begins anew from version {number}{_called(row)}. Newer versions and channels stay.",
        "Roll back", "arrow-back-up", lost=_what_is_lost(head_of(image)), back=_back(image),
    )  # fmt: skip
    return ask(
        request, question, form, lambda: roll_back(image=image, number=number),
        to=_back(image)[0], done=f"{image.name} stands on version {number} again.",
    )  # fmt: skip


def _what_is_lost(head: Head | None) -> str:
    if head is None or head.is_untouched:
        return ""
    if head.base is None:
        return "The disk was never published: all that is on it now is lost. Publish it first to keep it."
    return (
        f"What was written to the disk since version {head.base.number} is lost. Publish it first to keep it."
    )


@operator_required
def clone(request: HttpRequest, image_id: str) -> HttpResponse:
    """A new image over a version of this one, or over what its head holds."""
    image = find_image(image_id)
    numbers = [row.version.number for row in versions_of(image)]
    form = CloneForm(posted(request), numbers=numbers, initial=_asked_version(request))
    question = Question(
        f"Clone {image.name}",
        "A new image that begins with the same disk. No bytes are copied: both share what is the same.",
        "Clone", "copy-plus", back=_back(image),
    )  # fmt: skip
    return ask(
        request, question, form,
        lambda: clone_image(
            image=image, new_id=form.cleaned_data["image_id"], name=form.cleaned_data["name"],
            number=form.cleaned_data["version"],
        ),
        to=f"/images/{form.data.get('image_id', '')}/", done=f"{image.name} is cloned.",
    )  # fmt: skip


def _asked_version(request: HttpRequest) -> dict[str, str]:
    return {"version": request.GET.get("version", "")}


@operator_required
@require_POST
def promote_it(request: HttpRequest, image_id: str, number: int) -> HttpResponse:
    """Let a channel name this version."""
    image, channel = find_image(image_id), request.POST.get("channel", "")
    return attempt_and_return(
        request, lambda: promote(image=image, channel=channel, number=number), to=_back(image)[0],
        done=f"The channel {channel} names version {number}; its devices get it at their next boot.",
    )  # fmt: skip


@operator_required
@require_POST
def close(request: HttpRequest, image_id: str, channel: str) -> HttpResponse:
    """Let a channel name no version."""
    image = find_image(image_id)
    return attempt_and_return(
        request, lambda: close_channel(image=image, channel=channel), to=_back(image)[0],
        done=f"The channel {channel} names no version any more.",
    )  # fmt: skip


@operator_required
@require_POST
def squash(request: HttpRequest, image_id: str, number: int) -> HttpResponse:
    """Let a version's chain of layers become a single one, in the background."""
    image = find_image(image_id)
    return attempt_and_return(
        request,
        lambda: request_squash(image=image, number=number, author=request.user.get_username()),
        to=_back(image)[0], done=f"Version {number} is being squashed; the page shows how far it is.",
    )  # fmt: skip


@operator_required
@require_POST
def verify(request: HttpRequest, image_id: str, number: int) -> HttpResponse:
    """Read all of a version again and compare its checksum, in the background."""
    image = find_image(image_id)
    return attempt_and_return(
        request, lambda: request_verification(image=image, number=number), to=_back(image)[0],
        done=f"Version {number} is being read; its checksum is compared at the end.",
    )  # fmt: skip


@operator_required
def delete(request: HttpRequest, image_id: str, number: int) -> HttpResponse:
    """Delete a version that nothing uses."""
    image = find_image(image_id)
    row, form = _row(image, number), Form(posted(request))
    question = Question(
        f"Delete version {number} of {image.name}",
        "Only a version that no channel, device, head or clone stands on can go.", "Delete", "trash",
        lost=f"Version {number}{_called(row)} goes for good.",
        back=_back(image),
    )  # fmt: skip
    return ask(
        request, question, form, lambda: delete_version(image=image, number=number),
        to=_back(image)[0], done=f"Version {number} is being deleted.",
    )  # fmt: skip


def _row(image: Image, number: int) -> VersionRow:
    """404 for a number that there is not."""
    row = next((row for row in versions_of(image) if row.version.number == number), None)
    if row is None:
        raise Http404(f"{image} has no version {number}.")
    return row


def _called(row: VersionRow) -> str:
    return f" ({row.version.comment.splitlines()[0][:80]})" if row.version.comment else ""


def _back(image: Image) -> tuple[str, str]:
    return f"/images/{image.id}/", image.name
