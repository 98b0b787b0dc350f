"""Long work on images: it has a progress, can be stopped, and is picked up after a crash."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from images.models.image import Image
from images.models.layer import Layer, Version


class JobKind(models.TextChoices):
    """What is done."""

    IMPORT = "import", "Import"
    SQUASH = "squash", "Squash"
    CHECKSUM = "checksum", "Checksum"
    EXPORT = "export", "Export"
    BOOT_FILES = "boot-files", "Reading of boot files"


class JobState(models.TextChoices):
    """How far it is."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


ENDED = (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class Job(models.Model):
    """One piece of long work; the image's storage node does it."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="jobs")
    version = models.ForeignKey(Version, on_delete=models.CASCADE, null=True, related_name="jobs")
    layer = models.ForeignKey(Layer, on_delete=models.CASCADE, null=True, related_name="jobs")
    kind = models.CharField(max_length=10, choices=JobKind.choices)
    state = models.CharField(max_length=9, choices=JobState.choices, default=JobState.WAITING)
    details = models.JSONField(default=dict, help_text="What it needs to know, by kind (images/jobs).")
    done_bytes = models.BigIntegerField(default=0)
    total_bytes = models.BigIntegerField(null=True, help_text="None: not known before its end.")
    cancel_requested = models.BooleanField(default=False)
    last_error = models.TextField(blank=True)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(finished_at=None), name="job_that_is_not_finished"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["image"],
                condition=Q(finished_at=None, kind="import"),
                name="image_has_one_import_at_a_time",
            ),
            models.UniqueConstraint(
                fields=["version", "kind"],
                condition=Q(finished_at=None, kind__in=["squash", "checksum"]),
                name="version_has_one_such_job_at_a_time",
            ),
            models.UniqueConstraint(
                fields=["layer"],
                condition=Q(finished_at=None, kind="boot-files"),
                name="layer_has_its_boot_files_read_once_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.image_id}"

    @property
    def progress(self) -> float | None:
        """From 0 to 1; None where the end is not known."""
        if self.state == JobState.DONE:
            return 1.0
        return round(min(1.0, self.done_bytes / self.total_bytes), 4) if self.total_bytes else None
