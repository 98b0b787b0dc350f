"""Layers, the files that disks are made of, and versions, the layers that never change again."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from devices.models import Device
from images.models.image import Image


class LayerFormat(models.TextChoices):
    """How its file holds the disk."""

    RAW = "raw", "Raw"
    QCOW2 = "qcow2", "qcow2"


class LayerState(models.TextChoices):
    """Where its file is in its life."""

    CREATING = "creating", "Creating"
    READY = "ready", "Ready"
    DELETING = "deleting", "Deleting"


class Layer(models.Model):
    """One file: the differences to its parent, or a whole disk if it has none.

    A raw layer has no parent. A layer that others stand on, or that a version names, is frozen: it is wanted
    that nobody writes to it any more. `observed_frozen_at` says since when that is so.
    """

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="layers")
    number = models.PositiveIntegerField(help_text="Counts an image's layers; it stands in the file's name.")
    format = models.CharField(max_length=5, choices=LayerFormat.choices)
    parent = models.ForeignKey("self", on_delete=models.RESTRICT, null=True, related_name="children")
    size_bytes = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=LayerState.choices, default=LayerState.CREATING)
    frozen = models.BooleanField(default=False)
    device = models.ForeignKey(
        Device, on_delete=models.SET_NULL, null=True, related_name="layers",
        help_text="Whose overlay it is, or was: the changes that a device keeps when its version moves on.",
    )  # fmt: skip
    base_version = models.ForeignKey(
        "Version", on_delete=models.SET_NULL, null=True, related_name="overlays",
        help_text="The version that an overlay stands on.",
    )  # fmt: skip
    used_at = models.DateTimeField(
        null=True, help_text="When a machine was first let at it; none: it is empty."
    )
    observed_frozen_at = models.DateTimeField(null=True, editable=False)
    observed_used_bytes = models.BigIntegerField(null=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["image_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["image", "number"], name="layer_number_is_its_image_s_own"),
            models.CheckConstraint(condition=Q(size_bytes__gt=0), name="layer_size_is_above_zero"),
            models.CheckConstraint(
                condition=Q(format="qcow2") | Q(parent=None), name="layer_that_is_raw_has_no_parent"
            ),
            models.CheckConstraint(condition=Q(state__in=LayerState.values), name="layer_state_is_known"),
        ]

    def __str__(self) -> str:
        return f"layer {self.number} of {self.image_id}"

    @property
    def file_name(self) -> str:
        """Relative to the node's image folder."""
        return layer_file_name(self.image_id, self.number, self.format)


def layer_file_name(image_id: str, number: int, layer_format: str) -> str:
    """A layer's file, relative to the node's image folder."""
    kind = "head" if layer_format == LayerFormat.RAW else "layer"
    return f"{image_id}/{kind}-{number}.{layer_format}"


class Version(models.Model):
    """An immutable state of an image, with its number."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    layer = models.OneToOneField(Layer, on_delete=models.RESTRICT, related_name="version")
    comment = models.CharField(max_length=500, blank=True)
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        help_text="Of the whole disk's bytes, computed once it is frozen.",
    )
    verified_at = models.DateTimeField(null=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["image_id", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["image", "number"], name="version_number_is_its_image_s_own"),
            models.CheckConstraint(condition=Q(number__gt=0), name="version_number_is_above_zero"),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of {self.image_id}"

    @property
    def is_ready(self) -> bool:
        """Whether its layer was seen to be frozen, so that others may stand on it."""
        return self.layer.observed_frozen_at is not None


class ChannelName(models.TextChoices):
    """The names under which a version is handed on."""

    TEST = "test", "Test"
    PRODUCTION = "production", "Production"


class Channel(models.Model):
    """Which version of an image a channel's devices boot next."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="channels")
    name = models.CharField(max_length=10, choices=ChannelName.choices)
    version = models.ForeignKey(Version, on_delete=models.RESTRICT, related_name="channels")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["image_id", "name"]
        constraints = [
            models.UniqueConstraint(fields=["image", "name"], name="channel_is_once_in_an_image"),
            models.CheckConstraint(condition=Q(name__in=ChannelName.values), name="channel_name_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.image_id}"
