"""One round: look, plan, apply, look again, write down. No database transaction is open meanwhile."""

from __future__ import annotations

import logging
from pathlib import Path

from django.conf import settings

from images.convergence.apply import apply
from images.convergence.facts import Desired, Observed
from images.convergence.load import load_desired, observe
from images.convergence.orphans import tend_orphans
from images.convergence.plan import plan
from images.convergence.record import record_exports, record_images, record_node
from images.convergence.sessions import record_sessions
from images.convergence.uploads import free_abandoned_uploads
from images.convergence.verdict import judge
from images.models import StorageNode
from images.ports import TargetServer
from netboot_site.heartbeat import beat

logger = logging.getLogger(__name__)
WHOLE_NODE = ""


def converge_node(node: StorageNode, server: TargetServer) -> None:
    """Make this storage node's files and targets what the database says, and note what is."""
    Path(settings.IMAGES_PATH).mkdir(mode=0o700, parents=True, exist_ok=True)
    desired = load_desired(node)
    observed, server_error = observe(desired, server)
    if observed.server is not None:
        record_sessions(node, desired, observed.server)
    actions = plan(desired, observed)
    errors = apply(actions, server) if actions else {}
    if actions:
        observed, server_error = observe(desired, server)
    _record(node, desired, observed, dict(errors), server_error)
    free_abandoned_uploads(desired)
    tend_orphans(node)


def _log_news(node: StorageNode, desired: Desired, errors: dict[str, str], server_error: str) -> None:
    """What goes wrong is tried again each second, and told once."""
    known = {want.image_id: want.recorded.error for want in desired.images} | {WHOLE_NODE: node.last_error}
    news = {WHOLE_NODE: server_error} if server_error else errors
    for key, error in news.items():
        if error != known.get(key):
            logger.warning("%s: %s", key or f"storage node {node.name}", error)


def _record(
    node: StorageNode, desired: Desired, observed: Observed, errors: dict[str, str], server_error: str
) -> None:
    _log_news(node, desired, errors, server_error)
    verdicts = {
        want.image_id: judge(want, desired, observed, errors, server_error) for want in desired.images
    }
    record_images(desired, observed, verdicts)
    record_exports(desired, verdicts)
    trouble = server_error or errors.get(WHOLE_NODE, "")
    record_node(node, observed, trouble)
    beat(f"storage.{node.name}", last_error=trouble)
