"""Images: disks that are given to devices."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from devices.models import DeviceType
from images.models.node import StorageNode

IMAGE_ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"


class ImageState(models.TextChoices):
    """Where an image is in its life."""

    CREATING = "creating", "Creating"
    IMPORTING = "importing", "Importing"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"
    DELETING = "deleting", "Deleting"


class Image(models.Model):
    """A disk on a storage node: its immutable versions, and its writable head."""

    id = models.CharField(max_length=63, primary_key=True, validators=[RegexValidator(IMAGE_ID_PATTERN)])
    name = models.CharField(max_length=200)
    size_bytes = models.BigIntegerField()
    device_type = models.CharField(max_length=5, choices=DeviceType.choices)
    node = models.ForeignKey(StorageNode, on_delete=models.PROTECT, related_name="images")
    state = models.CharField(max_length=10, choices=ImageState.choices, default=ImageState.CREATING)
    # The head is the layer of this number. New content is written beside it and then counts, so that the old
    # one stays whole until the new one is.
    generation = models.PositiveIntegerField(default=1, editable=False)
    last_layer_number = models.PositiveIntegerField(default=1, editable=False)
    last_version_number = models.PositiveIntegerField(default=0, editable=False)
    upload_received_bytes = models.BigIntegerField(null=True, editable=False)
    upload_total_bytes = models.BigIntegerField(null=True, editable=False)
    observed_generation = models.PositiveIntegerField(null=True, editable=False)
    # A head never shrinks: a shorter file is a damaged disk, and is not made whole with zeros.
    observed_size_bytes = models.BigIntegerField(null=True, editable=False)
    observed_used_bytes = models.BigIntegerField(null=True, editable=False)
    contents = models.JSONField(
        default=dict, editable=False, help_text="Partitions, file systems, operating system: images/contents."
    )
    # Convergence shows it in last_error until an import succeeds.
    import_error = models.TextField(blank=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(size_bytes__gt=0), name="image_size_is_above_zero"),
            models.CheckConstraint(condition=Q(id__regex=IMAGE_ID_PATTERN), name="image_id_is_a_slug"),
            models.CheckConstraint(
                condition=Q(device_type__in=DeviceType.values), name="image_type_is_known"
            ),
            models.CheckConstraint(condition=Q(state__in=ImageState.values), name="image_state_is_known"),
            models.CheckConstraint(
                condition=Q(upload_received_bytes=None)
                | Q(upload_received_bytes__gte=0, upload_received_bytes__lte=F("upload_total_bytes")),
                name="image_upload_within_its_total",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def iqn(self) -> str:
        """The target of the image's exclusive export."""
        return f"{settings.IQN_PREFIX}:{self.id}"

    @property
    def head_name(self) -> str:
        """The head's file as long as it is raw, relative to the node's image folder."""
        return f"{self.id}/head-{self.generation}.raw"
