"""Exports, which give images to devices, and the logins that were seen."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from devices.models import Device
from images.models.image import Image
from images.models.layer import Layer, Version
from netboot_site.formats import mac_hex


class ExportMode(models.TextChoices):
    """How a device has its disk."""

    EXCLUSIVE = "exclusive", "Exclusive"
    OVERLAY = "overlay", "Overlay"


class Persistence(models.TextChoices):
    """What becomes of an overlay's changes when its device boots again."""

    KEEP = "keep", "Keep"
    RESET = "reset", "Reset at each boot"


class Follows(models.TextChoices):
    """How an overlay's version is chosen, at each boot."""

    DEVICE = "", "The channel of its device or group"  # the latest, where neither has one
    LATEST = "latest", "Latest"
    TEST = "test", "Channel test"
    PRODUCTION = "production", "Channel production"
    PINNED = "pinned", "One version"


class ExportState(models.TextChoices):
    """What was last seen of an export."""

    PENDING = "pending", "Being made"
    READY = "ready", "Ready"
    WAITING = "waiting", "Waiting"
    PAUSED = "paused", "Paused: no room"


class Export(models.Model):
    """An image given to a device as its iSCSI disk."""

    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="exports")
    device = models.OneToOneField(Device, on_delete=models.PROTECT, related_name="export")
    mode = models.CharField(max_length=9, choices=ExportMode.choices, default=ExportMode.EXCLUSIVE)
    persistence = models.CharField(max_length=5, choices=Persistence.choices, default=Persistence.KEEP)
    follows = models.CharField(max_length=10, choices=Follows.choices, default=Follows.DEVICE, blank=True)
    version = models.ForeignKey(  # the pinned one
        Version, on_delete=models.RESTRICT, null=True, blank=True, related_name="pinned_exports"
    )
    layer = models.OneToOneField(  # its overlay; an exclusive export writes the image's head
        Layer, on_delete=models.RESTRICT, null=True, blank=True, related_name="export"
    )
    chap_username = models.CharField(max_length=80, editable=False)  # its image's id, and who of its exports
    chap_secret = models.CharField(max_length=16, editable=False)
    # A boot that begins asks for a fresh overlay; it is made when nobody is logged in.
    refresh_requested_at = models.DateTimeField(null=True, editable=False)
    # Whether the next boot is to begin with a fresh overlay: its version has moved on.
    observed_stale = models.BooleanField(default=False, editable=False)
    handed_out_at = models.DateTimeField(
        null=True, editable=False, help_text="When its present overlay was first told to a booting machine."
    )
    observed_state = models.CharField(
        max_length=7, choices=ExportState.choices, default=ExportState.PENDING, editable=False
    )
    # The layer that was seen behind its target; another one is being put there while this is not the wanted.
    observed_layer_number = models.PositiveIntegerField(null=True, editable=False)
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
            models.CheckConstraint(
                condition=Q(mode="overlay", layer__isnull=False) | Q(mode="exclusive", layer=None),
                name="export_has_a_layer_if_it_is_an_overlay",
            ),
            models.CheckConstraint(
                condition=Q(follows="pinned", version__isnull=False)
                | (~Q(follows="pinned") & Q(version=None)),
                name="export_names_a_version_if_it_is_pinned",
            ),
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
    def state(self) -> str:
        """What was last seen, if that is still what it should be; bootflow/statements.py says the same."""
        wanted = self.layer.number if self.layer else self.image.generation
        moved = self.observed_layer_number not in {None, wanted}
        ready = self.observed_state == ExportState.READY
        return ExportState.PENDING if ready and moved else self.observed_state

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
