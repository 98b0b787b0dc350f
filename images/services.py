"""Changes of images, exports and storage nodes. Keyword-only, a verb first; each one transaction."""

from __future__ import annotations

from images.models import StorageNode


def register_node(*, name: str, portal_address: str, portal_port: int) -> StorageNode:
    """Create the row of a storage node, or move its portal. The launcher calls it at each start."""
    node, _ = StorageNode.objects.update_or_create(
        name=name, defaults={"portal_address": portal_address, "portal_port": portal_port}
    )
    return node
