"""What a Raspberry Pi's firmware must fetch to boot from a disk: the files of the disk's boot partition."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from images.models.blob import Blob
from images.models.layer import Layer

LONGEST_BOOT_PATH = 200


class BootFilesState(models.TextChoices):
    """How far the boot partition of a layer has been read."""

    WAITING = "waiting", "Waiting to be read"
    READY = "ready", "Ready"
    NONE = "none", "No boot partition"
    FAILED = "failed", "Cannot be read"


class BootFiles(models.Model):
    """The boot partition of one layer, as it was last read by the layer's storage node.

    `wanted_at` is when the layer may last have changed; it is to be read again while that is after `read_at`.
    What was read before counts until then.
    """

    layer = models.OneToOneField(Layer, on_delete=models.CASCADE, related_name="boot_files")
    wanted_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, editable=False)
    state = models.CharField(
        max_length=7, choices=BootFilesState.choices, default=BootFilesState.WAITING, editable=False
    )
    facts = models.JSONField(default=dict, editable=False, help_text="images/raspberry_pi/reading.py")
    last_error = models.TextField(blank=True, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=BootFilesState.values), name="boot_files_state_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"boot files of {self.layer}"


class BootFile(models.Model):
    """One file of a boot partition; an initramfs has what it lacks for iSCSI already added."""

    boot_files = models.ForeignKey(BootFiles, on_delete=models.CASCADE, related_name="files")
    path = models.CharField(
        max_length=LONGEST_BOOT_PATH, help_text="Relative, with slashes, spelt as on the disk."
    )
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["path"]
        constraints = [models.UniqueConstraint(fields=["boot_files", "path"], name="boot_file_is_once")]

    def __str__(self) -> str:
        return self.path
