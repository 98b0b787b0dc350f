"""Disks: images, their exports to devices, the storage nodes that hold them."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q

from devices.models import Device, DeviceType
from netboot_site.formats import mac_hex

IMAGE_ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"


class StorageNode(models.Model):
    """A host with disks; its files and its tgtd are touched by its own worker alone."""

    name = models.CharField(max_length=63, primary_key=True, validators=[RegexValidator(IMAGE_ID_PATTERN)])
    portal_address = models.GenericIPAddressField(null=True, blank=True)
    portal_port = models.PositiveIntegerField(default=3260)
    observed_capacity_bytes = models.BigIntegerField(null=True, editable=False)
    observed_free_bytes = models.BigIntegerField(null=True, editable=False)
    observed_used_bytes = models.BigIntegerField(null=True, editable=False, help_text="What its images take.")
    observed_target_server = models.CharField(max_length=20, blank=True, editable=False)
    observed_at = models.DateTimeField(null=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def portal(self) -> str:
        """`address:port`, as the API shows it."""
        return f"{self.portal_address}:{self.portal_port}"


class ImageState(models.TextChoices):
    """Where an image is in its life."""

    CREATING = "creating", "Creating"
    IMPORTING = "importing", "Importing"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"
    DELETING = "deleting", "Deleting"


class Image(models.Model):
    """A disk: its writable head is a sparse raw file on a storage node."""

    id = models.CharField(max_length=63, primary_key=True, validators=[RegexValidator(IMAGE_ID_PATTERN)])
    name = models.CharField(max_length=200)
    size_bytes = models.BigIntegerField()
    device_type = models.CharField(max_length=5, choices=DeviceType.choices)
    node = models.ForeignKey(StorageNode, on_delete=models.PROTECT, related_name="images")
    state = models.CharField(max_length=10, choices=ImageState.choices, default=ImageState.CREATING)
    # Which file is the head: an upload writes the next one beside it and then counts this up, so that the old
    # content stays whole until the new one is.
    generation = models.PositiveIntegerField(default=1, editable=False)
    upload_received_bytes = models.BigIntegerField(null=True, editable=False)
    upload_total_bytes = models.BigIntegerField(null=True, editable=False)
    observed_generation = models.PositiveIntegerField(null=True, editable=False)
    # A head never shrinks: a shorter file is a damaged disk, and is not made whole with zeros.
    observed_size_bytes = models.BigIntegerField(null=True, editable=False)
    observed_used_bytes = models.BigIntegerField(null=True, editable=False)
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
        """The head's file, relative to the node's image folder."""
        return f"{self.id}/head-{self.generation}.raw"


class ExportMode(models.TextChoices):
    """How a device has its disk."""

    EXCLUSIVE = "exclusive", "Exclusive"
    OVERLAY = "overlay", "Overlay"


class ExportState(models.TextChoices):
    """What the target server was last seen to hold of an export."""

    PENDING = "pending", "Being made"
    READY = "ready", "Ready"
    WAITING = "waiting", "Waiting"


class Export(models.Model):
    """An image given to a device as its iSCSI disk."""

    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="exports")
    device = models.OneToOneField(Device, on_delete=models.PROTECT, related_name="export")
    mode = models.CharField(max_length=9, choices=ExportMode.choices, default=ExportMode.EXCLUSIVE)
    chap_username = models.CharField(max_length=80, editable=False)  # its image's id, and who of its exports
    chap_secret = models.CharField(max_length=16, editable=False)
    observed_state = models.CharField(
        max_length=7, choices=ExportState.choices, default=ExportState.PENDING, editable=False
    )
    observed_at = models.DateTimeField(null=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["image_id", "device_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["image"], condition=Q(mode="exclusive"), name="image_has_one_exclusive_writer"
            ),
            models.UniqueConstraint(fields=["chap_username"], name="export_has_its_own_chap_account"),
        ]

    def __str__(self) -> str:
        return f"{self.image_id} for {self.device}"

    @property
    def iqn(self) -> str:
        """Its target's name (DESIGN.md, section 7)."""
        if self.mode == ExportMode.EXCLUSIVE:
            return self.image.iqn
        return f"{self.image.iqn}.{mac_hex(self.device.mac)}"

    @property
    def initiator_name(self) -> str:
        """The only initiator that its target lets in."""
        return f"{settings.IQN_PREFIX}:device.{mac_hex(self.device.mac)}"


class Session(models.Model):
    """An initiator's login to a target, as the target server was seen to hold it."""

    iqn = models.CharField(max_length=223)  # RFC 3720: a name has at most 223 bytes
    handle = models.CharField(max_length=40, help_text="tgtd's start and I_T nexus number: one login.")
    image = models.ForeignKey(Image, on_delete=models.SET_NULL, null=True, related_name="sessions")
    initiator_name = models.CharField(max_length=223)
    address = models.GenericIPAddressField(null=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["iqn", "handle"], condition=Q(ended_at=None), name="session_is_open_once"
            ),
        ]
        indexes = [
            models.Index(fields=["initiator_name", "started_at"], name="session_by_initiator"),
            models.Index(fields=["iqn"], condition=Q(ended_at=None), name="session_open_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.initiator_name} at {self.iqn}"
