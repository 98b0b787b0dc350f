"""What the storage worker sees of its host and of tgtd, and nobody else may: noted for the doctor."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings

from images.convergence.load import is_due
from images.models import StorageNode
from images.ports import ServerView, TargetServer
from netboot_site.errors import OrchestratorError
from netboot_site.heartbeat import tell_facts
from netboot_site.host import clock_offset_seconds, is_clock_kept, look_at_folder

FUSE = Path("/dev/fuse")


def tell_host(node: StorageNode, server: TargetServer, fuse: Path = FUSE) -> None:
    """Once in a while, since none of it changes often."""
    if is_due("host"):
        tell_facts(node.queue, host_facts(server, fuse))


def host_facts(server: TargetServer, fuse: Path = FUSE) -> dict[str, Any]:
    """`portals` is None where tgtd does not tell; `fuse` is why layers cannot be served (empty: they can)."""
    try:
        view: ServerView | None = server.observe()
    except OrchestratorError:
        view = None
    return {
        "host": os.uname().nodename,
        "portals": None if view is None else list(view.portals),
        "targets": None if view is None else len(view.targets),
        "fuse": fuse_trouble(fuse),
        "file_system": asdict(look_at_folder(Path(settings.IMAGES_PATH))),
        "clock_offset_seconds": clock_offset_seconds(),
        "clock_is_kept": is_clock_kept(),
    }


def fuse_trouble(device: Path = FUSE) -> str:
    """Why this user cannot use it: `missing` or `refused`; empty: it can."""
    try:
        os.close(os.open(device, os.O_RDWR))
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "refused"
    return ""
