"""Changes of storage nodes, and what all changes ask of one."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from images.models import Image, StorageNode
from images.tasks import converge
from netboot_site import journal
from netboot_site.errors import ConflictError, NotFoundError, ValidationError
from netboot_site.formats import GIB
from netboot_site.heartbeat import forget

AT_WORK = timedelta(seconds=10)  # its worker looks each second


def register_node(*, name: str, portal_address: str, portal_port: int, content_url: str = "") -> StorageNode:
    """Create the row of a storage node, or move its portal. The launcher calls it at each start."""
    portal = f"{portal_address}:{portal_port}"
    known = StorageNode.objects.filter(name=name).first()
    if known is None or known.portal != portal:
        journal.record("storage node", name, f"{'Moved to' if known else 'Registered at'} {portal}")
    node, _ = StorageNode.objects.update_or_create(
        name=name,
        defaults={
            "portal_address": portal_address,
            "portal_port": portal_port,
            "content_url": content_url,
        },
    )
    return node


def content_url() -> str:
    """Where other storage nodes reach this host's HTTP process."""
    everywhere = settings.API_HOST in {"0.0.0.0", "::"}  # noqa: S104  # compared with, not bound
    host = settings.BOOT_ADDRESS if everywhere else settings.API_HOST
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.API_PORT}" if host else ""


def find_node(*, name: str | None) -> StorageNode:
    """The storage node of that name; this host's own where none is named."""
    node = StorageNode.objects.filter(name=name or settings.STORAGE_NODE).first()
    if node is None and name:
        raise ValidationError(f"There is no storage node {name[:63]!r}.")
    if node is None:
        raise ConflictError(
            f"The storage node {settings.STORAGE_NODE!r} is not registered yet; start it first."
        )
    return node


@transaction.atomic
def remove_orphans(*, name: str, orphans: Collection[str]) -> StorageNode:
    """Let the node's worker remove files that it has found to belong to nothing.

    Raises NotFoundError if there is no such node, or if it has found no such file.
    """
    rows = StorageNode.objects.select_for_update().filter(name=name.replace("\0", " "))
    node = rows.first()
    if node is None:
        raise NotFoundError(f"There is no storage node {name[:63]!r}.")
    found = {orphan["name"] for orphan in node.observed_orphans}
    unknown = sorted(set(orphans) - found)
    if unknown:
        raise NotFoundError(f"The storage node {node.name!r} has found no orphan {unknown[0][:200]!r}.")
    node.orphans_to_remove = sorted({*node.orphans_to_remove, *orphans})
    node.save(update_fields=["orphans_to_remove"])
    journal.record(
        "storage node", node.name, f"Files that belong to nothing removed: {', '.join(sorted(orphans))}"
    )
    nudge(node)
    return node


@transaction.atomic
def remove_node(*, name: str) -> None:
    """Forget a storage node that was taken away.

    Raises ConflictError while it is at work or has images, NotFoundError if there is none of that name.
    """
    node = StorageNode.objects.select_for_update().filter(name=name.replace("\0", " ")).first()
    if node is None:
        raise NotFoundError(f"There is no storage node {name[:63]!r}.")
    if node.observed_at is not None and timezone.now() - node.observed_at < AT_WORK:
        raise ConflictError(f"The storage node {node.name!r} is at work; stop it first.")
    if count := Image.objects.filter(node=node).count():
        raise ConflictError(f"The storage node {node.name!r} has {count} images; delete them first.")
    forget(node.queue, f"{node.queue}.jobs")
    node.delete()
    journal.record("storage node", name, "Forgotten")


def check_room(node: StorageNode, size_bytes: int = 0) -> None:
    """Disks are sparse and may promise more than there is together; a single one may not.

    Raises ConflictError, also where the node's free room is below its reserve: nothing new is started then.
    """
    free = node.observed_free_bytes
    if node.is_short_of_room:
        raise ConflictError(
            f"The storage node {node.name!r} is short of room ({(free or 0) / GIB:.1f} GiB left); "
            f"delete something or add a disk first."
        )
    if free is not None and size_bytes > free:
        raise ConflictError(
            f"The storage node has {free / GIB:.1f} GiB left; {size_bytes / GIB:.1f} GiB do not fit."
        )


def nudge(node: StorageNode | str) -> None:
    """Start the node's converger as soon as the change is committed."""
    name = node if isinstance(node, str) else node.name
    converge.delay_on_commit_to(f"storage.{name}")  # type: ignore[attr-defined]  # netboot_site.celery.NudgeTask
