"""What convergence would write, for tests of services that start no converger."""

from __future__ import annotations

from django.utils import timezone

from images.models import Export, Image, Layer, LayerState, Session, Version
from images.services import publish_version


def settle() -> None:
    """Every file is made, and every layer that is to be frozen is seen to be."""
    Image.objects.filter(state="creating").update(state="ready")
    Layer.objects.filter(state=LayerState.CREATING).update(state=LayerState.READY)
    Layer.objects.filter(frozen=True, observed_frozen_at=None).update(observed_frozen_at=timezone.now())
    for export in Export.objects.select_related("layer", "image"):
        behind = export.layer.number if export.layer else export.image.generation
        Export.objects.filter(pk=export.pk).update(observed_layer_number=behind)
    Export.objects.filter(observed_state="pending").update(observed_state="ready")


def publish(image: Image, comment: str = "") -> Version:
    """Publish, and nobody writes to it any more."""
    made = publish_version(image=image, comment=comment, author="ann")
    settle()
    return Version.objects.select_related("layer").get(pk=made.pk)


def write(layer: Layer) -> Layer:
    """A machine was seen at this layer."""
    Layer.objects.filter(pk=layer.pk).update(used_at=timezone.now())
    layer.refresh_from_db()
    return layer


def log_in(export: Export) -> Session:
    """The device uses its disk."""
    return Session.objects.create(
        iqn=export.iqn, handle="1-1", image=export.image,
        initiator_name=export.initiator_name, started_at=timezone.now(),
    )  # fmt: skip


def layer_of(export: Export) -> Layer:
    """The overlay that it has now."""
    layer = Export.objects.select_related("layer").get(pk=export.pk).layer
    assert layer is not None, f"{export} has no overlay"
    return layer


def state_of(layer: Layer) -> str:
    """Its state now."""
    return Layer.objects.get(pk=layer.pk).state
