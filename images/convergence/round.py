"""One round: look, plan, apply, look again, write down. No database transaction is open meanwhile."""

from __future__ import annotations

import logging
from pathlib import Path

from django.conf import settings

from images.convergence.apply import apply
from images.convergence.boot_files import tend_boot_files
from images.convergence.load import load_desired, observe
from images.convergence.orphans import tend_orphans
from images.convergence.plan import plan
from images.convergence.record import record, record_node
from images.convergence.refresh import refresh_overlays
from images.convergence.sessions import record_sessions, record_use
from images.convergence.uploads import free_abandoned_uploads
from images.convergence.verdict import Seen
from images.models import StorageNode
from images.ports import LayerStore, TargetServer
from netboot_site.heartbeat import beat

logger = logging.getLogger(__name__)
WHOLE_NODE = ""
# Freeze, stand on it, serve it, export it: what one group needs from another is done in the next pass.
PASSES = 5


def converge_node(node: StorageNode, server: TargetServer, store: LayerStore) -> None:
    """Make this storage node's files and targets what the database says, and note what is."""
    Path(settings.IMAGES_PATH).mkdir(mode=0o700, parents=True, exist_ok=True)
    desired = load_desired(node)
    observed, server_error = observe(desired, server, store)
    if observed.server is not None:
        record_use(desired, observed)
        record_sessions(node, desired, observed)
    if refresh_overlays(desired, observed):
        desired = load_desired(node)
        observed, server_error = observe(desired, server, store)
    errors: dict[str, str] = {}
    for _ in range(PASSES):
        actions = [step for step in plan(desired, observed) if step.group not in errors]
        if not actions:
            break
        errors |= apply(actions, server, store)
        observed, server_error = observe(desired, server, store)
    _record(node, Seen(desired, observed, errors, server_error))
    tend_boot_files(node)
    free_abandoned_uploads(desired)
    tend_orphans(node)


def _log_news(node: StorageNode, seen: Seen) -> None:
    """What goes wrong is tried again each second, and told once."""
    known = {want.image_id: want.recorded.error for want in seen.desired.images}
    known |= {door.key: door.export_error for door in seen.desired.doors if door.export_id is not None}
    known[WHOLE_NODE] = node.last_error
    news = {WHOLE_NODE: seen.server_error} if seen.server_error else seen.errors
    for key, error in news.items():
        if error != known.get(key):
            logger.warning("%s: %s", key.strip() or f"storage node {node.name}", error)


def _record(node: StorageNode, seen: Seen) -> None:
    _log_news(node, seen)
    record(seen)
    trouble = seen.server_error or seen.errors.get(WHOLE_NODE, "")
    record_node(node, seen.observed, trouble)
    beat(f"storage.{node.name}", last_error=trouble)
