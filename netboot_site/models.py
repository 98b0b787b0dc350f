"""Rows of the house itself: access tokens and the heartbeats of its services."""

from django.conf import settings
from django.db import models


class ApiToken(models.Model):
    """A person's key to the REST API; only its SHA-256 is kept."""

    class Scope(models.TextChoices):
        READ = "read", "Read only"
        FULL = "full", "Read and write"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100, help_text="What it is used for.")
    scope = models.CharField(max_length=4, choices=Scope.choices, default=Scope.READ)
    prefix = models.CharField(max_length=8, help_text="Its first signs, to tell tokens apart.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class Heartbeat(models.Model):
    """When a service (a worker, a converger, the recorder) was last seen at work, and what troubled it."""

    name = models.CharField(max_length=100, primary_key=True)
    beat_at = models.DateTimeField()
    last_error = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class HostFacts(models.Model):
    """What a worker sees of its host that other processes may not see; the doctor judges it."""

    name = models.CharField(max_length=100, primary_key=True, help_text="The worker's, as in its heartbeat.")
    observed_at = models.DateTimeField()
    observed_facts = models.JSONField(default=dict)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "host facts"

    def __str__(self) -> str:
        return self.name


class Change(models.Model):
    """What somebody changed: the journal that the history of a device, an image or a kernel set shows."""

    at = models.DateTimeField()
    person = models.CharField(max_length=150, blank=True, help_text="Empty: the orchestrator itself.")
    kind = models.CharField(max_length=20, help_text="device, image, kernel set, installer, group, ...")
    key = models.CharField(max_length=200, help_text="MAC address, id or name: the row may be gone by now.")
    text = models.CharField(max_length=500)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["kind", "key", "-at", "-id"], name="change_by_subject"),
            models.Index(fields=["at"], name="change_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}: {self.text}"
