"""What was read of the boot partitions of an image: of its head and of each version. One query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from images.models import BootFiles, Image

HOW_ISCSI = {
    "added": "iSCSI added by us", "open-iscsi": "has iSCSI itself (open-iscsi)",
    "dracut": "has iSCSI itself (dracut)", "missing": "no iSCSI",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Partition:
    """The boot partition of a head or a version."""

    name: str
    boot_files: BootFiles
    is_head: bool

    @property
    def kernels(self) -> list[dict[str, Any]]:
        """Files with release and bits."""
        return list(self.boot_files.facts.get("kernels", []))

    @property
    def initramfs(self) -> list[tuple[str, str]]:
        """Files, and how each comes to iSCSI, in words."""
        rows = self.boot_files.facts.get("initramfs", [])
        return [(row["file"], HOW_ISCSI.get(row.get("iscsi", ""), "")) for row in rows]

    @property
    def warnings(self) -> list[str]:
        """Sentences."""
        return list(self.boot_files.facts.get("warnings", []))


def partitions_of(image: Image) -> list[Partition]:
    """Those of the head and of the versions, the newest first; overlays stand on their devices' pages."""
    rows = BootFiles.objects.filter(layer__image=image, layer__device=None).select_related("layer__version")
    found = [_partition(row, image) for row in rows.order_by("-layer__number")]
    return [row for row in found if row is not None]


def _partition(row: BootFiles, image: Image) -> Partition | None:
    """None for a layer that is neither: of a version that is gone."""
    is_head = row.layer.number == image.generation
    version = getattr(row.layer, "version", None)
    if version is None and not is_head:
        return None
    return Partition("Head" if version is None else f"Version {version.number}", row, is_head)
