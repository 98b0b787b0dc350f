"""Storage nodes: hosts with disks."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

NODE_NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"


class StorageNode(models.Model):
    """A host with disks; its files, tgtd and layer servers are touched by its own worker alone."""

    name = models.CharField(max_length=63, primary_key=True, validators=[RegexValidator(NODE_NAME_PATTERN)])
    portal_address = models.GenericIPAddressField(null=True, blank=True)
    portal_port = models.PositiveIntegerField(default=3260)
    content_url = models.URLField(blank=True, help_text="Where its HTTP process is reached by the others.")
    observed_capacity_bytes = models.BigIntegerField(null=True, editable=False)
    observed_free_bytes = models.BigIntegerField(null=True, editable=False)
    observed_used_bytes = models.BigIntegerField(null=True, editable=False, help_text="What its images take.")
    observed_reserve_bytes = models.BigIntegerField(
        null=True, editable=False, help_text="Below this much free room nothing new is started."
    )
    observed_target_server = models.CharField(max_length=20, blank=True, editable=False)
    observed_orphans = models.JSONField(
        default=list, editable=False, help_text="Files that belong to no row: name, bytes, seen_at, error."
    )
    observed_orphans_at = models.DateTimeField(null=True, editable=False)
    orphans_to_remove = models.JSONField(
        default=list, editable=False, help_text="Names of orphans that a person wants removed."
    )
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

    @property
    def queue(self) -> str:
        """The Celery queue that its worker, and no other, takes messages from."""
        return f"storage.{self.name}"

    @property
    def is_short_of_room(self) -> bool:
        """Whether its free room is below the reserve, so that nothing new is started on it."""
        free, reserve = self.observed_free_bytes, self.observed_reserve_bytes
        return free is not None and reserve is not None and free < reserve
