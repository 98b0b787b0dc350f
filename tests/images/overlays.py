"""Rows as convergence leaves them: images that are ready, frozen versions, overlays that were used."""

from __future__ import annotations

from django.utils import timezone

from devices.models import Device
from images.models import Export, Image, ImageState, Layer, LayerState, Version
from images.services import assign_image, publish_version


def settle(image: Image) -> None:
    """All its layers are made, and those that are to be frozen are."""
    now = timezone.now()
    Image.objects.filter(pk=image.pk, state=ImageState.CREATING).update(state=ImageState.READY)
    Layer.objects.filter(image=image, state=LayerState.CREATING).update(state=LayerState.READY)
    Layer.objects.filter(image=image, frozen=True).update(observed_frozen_at=now)
    Export.objects.filter(image=image).update(observed_state="ready")


def published(image: Image, *, comment: str = "", author: str = "") -> Version:
    """A version that nobody writes any more."""
    settle(image)
    version = publish_version(image=image, comment=comment, author=author)
    settle(image)
    return version


def overlay_of(
    image: Image,
    device: Device,
    *,
    used_bytes: int = 0,
    persistence: str = "keep",
    version: str | None = None,
) -> Export:
    """A device's overlay, written to if it uses bytes."""
    export = assign_image(
        image=image, device=device, mode="overlay", persistence=persistence, version=version
    )
    settle(image)
    assert export.layer is not None
    if used_bytes:
        Layer.objects.filter(pk=export.layer.pk).update(
            used_at=timezone.now(), observed_used_bytes=used_bytes
        )
        export.layer.refresh_from_db()
    return export
