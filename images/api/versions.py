"""REST calls of versions and channels."""

from __future__ import annotations

from typing import Annotated

from django.contrib.auth.models import User
from django.http import HttpRequest
from ninja import Path, Query, Router, Status

from images import services
from images.api.images import shown
from images.schemas.images import ImageOut, shown_images
from images.schemas.numbers import LARGEST_NUMBER
from images.schemas.versions import CloneIn, RollBackIn, VersionIn, VersionOut, version_out

router = Router()
Number = Annotated[int, Path(ge=1, le=LARGEST_NUMBER, description="A version's number.")]
NumberWanted = Annotated[int, Query(ge=1, le=LARGEST_NUMBER, description="A version's number.")]


def author(request: HttpRequest) -> str:
    """The person behind the request's token or session."""
    return request.user.get_username() if isinstance(request.user, User) else ""


@router.get("/images/{image_id}/versions", response=list[VersionOut])
def list_versions(request: HttpRequest, image_id: str) -> list[VersionOut]:
    """An image's versions, the newest first."""
    services.get_image(image_id=image_id)
    image = shown_images().get(pk=image_id)
    channels = list(image.channels.all())
    return [version_out(version, channels) for version in image.versions.all()]


@router.post("/images/{image_id}/versions", response={201: VersionOut})
def publish_version(request: HttpRequest, image_id: str, body: VersionIn | None = None) -> Status[VersionOut]:
    """Freeze what the image's head holds as its next version; a device that runs on it goes on running.

    It is `publishing` until nothing writes to it any more.
    """
    image = services.get_image(image_id=image_id)
    comment = body.comment if body else ""
    version = services.publish_version(image=image, comment=comment, author=author(request))
    return Status(201, version_out(version, []))


@router.delete("/images/{image_id}/versions/{number}", response={204: None})
def delete_version(request: HttpRequest, image_id: str, number: Number) -> Status[None]:
    """Delete a version that nothing uses; refused (409) with what uses it."""
    services.delete_version(image=services.get_image(image_id=image_id), number=number)
    return Status(204, None)


@router.post("/images/{image_id}/rollback", response=ImageOut)
def roll_back(request: HttpRequest, image_id: str, body: RollBackIn) -> ImageOut:
    """Let the image's head begin anew from a version; what the head held is lost. Refused while in use."""
    services.roll_back(image=services.get_image(image_id=image_id), number=body.version)
    return shown(image_id)


@router.post("/images/{image_id}/clone", response={201: ImageOut})
def clone_image(request: HttpRequest, image_id: str, body: CloneIn) -> Status[ImageOut]:
    """A new image over a version of this one, or over what its head holds now. No bytes are copied."""
    image = services.get_image(image_id=image_id)
    clone = services.clone_image(image=image, new_id=body.id, name=body.name, number=body.version)
    return Status(201, shown(clone.pk))


@router.put("/images/{image_id}/channels/{channel}", response=ImageOut)
def promote(request: HttpRequest, image_id: str, channel: str, version: NumberWanted) -> ImageOut:
    """Let a channel (`test`, `production`) name a version; its devices boot that next."""
    services.promote(image=services.get_image(image_id=image_id), channel=channel, number=version)
    return shown(image_id)


@router.delete("/images/{image_id}/channels/{channel}", response={204: None})
def close_channel(request: HttpRequest, image_id: str, channel: str) -> Status[None]:
    """Let a channel name no version any more; devices that follow it stay on the version they have."""
    services.close_channel(image=services.get_image(image_id=image_id), channel=channel)
    return Status(204, None)
