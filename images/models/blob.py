"""Boot files, kept in the database by their content.

A kernel set's files are written by whoever has them (a storage node that has read a disk, a person who
uploads) and served by whoever runs dnsmasq, which may be other hosts: the database is the one place that all
of them reach, that keeps them whole, and that a back-up has anyway. Each content is there once.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

PART_BYTES = 1024 * 1024
BLOB_MAX_BYTES = 128 * 1024 * 1024


class Blob(models.Model):
    """A file's content."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    size_bytes = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(size_bytes__gte=0, size_bytes__lte=BLOB_MAX_BYTES), name="blob_size_is_bounded"
            ),
        ]

    def __str__(self) -> str:
        return self.sha256


class BlobPart(models.Model):
    """PART_BYTES of a content, or what is left of it."""

    blob = models.ForeignKey(Blob, on_delete=models.CASCADE, related_name="parts", db_index=False)
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ["blob", "number"]
        constraints = [models.UniqueConstraint(fields=["blob", "number"], name="blob_part_is_once")]

    def __str__(self) -> str:
        return f"part {self.number} of {self.blob_id}"
