"""Reads both sides: rows in two queries, files, and the target server."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from devices.models import Device
from images.convergence import files
from images.convergence.facts import Access, Desired, FilesSeen, Observed, Recorded, Wanted
from images.models import ExportMode, Image, ImageState, StorageNode
from images.ports import ServerView, TargetServer
from images.tgt import portal_text
from netboot_site.errors import UnavailableError
from netboot_site.formats import mac_hex

# Folders are listed and used bytes written once in so many seconds; heads are looked for in each round.
THOROUGH_PERIOD_SECONDS = 10
_COLUMNS = (
    "id", "state", "generation", "size_bytes", "observed_size_bytes", "import_error",
    "last_error", "observed_generation", "observed_used_bytes",
    "exports__id", "exports__observed_state", "exports__last_error",
    "exports__chap_username", "exports__chap_secret", "exports__device__mac", "exports__device__name",
)  # fmt: skip


def load_desired(node: StorageNode) -> Desired:
    """What should be on this node: one query, whatever the number of images."""
    portal = portal_text(node.portal_address, node.portal_port) if node.portal_address else ""
    one = Q(exports=None) | Q(exports__mode=ExportMode.EXCLUSIVE)
    rows = Image.objects.filter(one, node=node).order_by("id").values_list(*_COLUMNS)
    return Desired(settings.IQN_PREFIX, portal, tuple(_wanted(*row) for row in rows))


def _wanted(
    image_id: str, state: str, generation: int, size_bytes: int, seen_size_bytes: int | None,
    import_error: str, *rest: Any,
) -> Wanted:  # fmt: skip
    recorded, export = rest[:6], rest[6:]
    return Wanted(
        image_id=image_id,
        iqn=f"{settings.IQN_PREFIX}:{image_id}",
        state=ImageState(state),
        path=files.head_name(image_id, generation),
        generation=generation,
        size_bytes=size_bytes,
        seen_size_bytes=seen_size_bytes or 0,
        import_error=import_error,
        access=_access(*export) if export[0] else None,
        recorded=Recorded(*recorded),
    )


def _access(username: str, secret: str, mac: str, name: str) -> Access:
    return Access(name or mac, f"{settings.IQN_PREFIX}:device.{mac_hex(mac)}", username, secret)


def observe(desired: Desired, server: TargetServer) -> tuple[Observed, str]:
    """What is, and why the server is not part of it, if it does not answer."""
    seen = {want.image_id: look(want) for want in desired.images}
    try:
        view = server.observe()
        return Observed(view, seen, _strangers(desired, view)), ""
    except UnavailableError as error:
        return Observed(None, seen), str(error)


def _strangers(desired: Desired, view: ServerView) -> Mapping[str, str]:
    """Names of devices that are logged in without an export; without any of those it costs nothing."""
    here = f"{desired.prefix}:device."
    names = {login.initiator_name for target in view.targets for login in target.logins}
    macs = {
        name: ":".join(re.findall("..", name.removeprefix(here)))
        for name in names - desired.device_names.keys() if name.startswith(here)
    }  # fmt: skip
    if not macs:
        return {}
    found = dict(Device.objects.filter(mac__in=macs.values()).values_list("mac", "name"))
    return {name: found.get(mac) or mac for name, mac in macs.items()}


def look(want: Wanted) -> FilesSeen:
    """An image's files."""
    thoroughly = want.state == ImageState.DELETING or is_due(want.image_id)
    return files.look(want.image_id, want.generation, thoroughly=thoroughly)


def is_due(image_id: str) -> bool:
    """Whether this image is looked at more closely in this second."""
    return (int(timezone.now().timestamp()) + zlib.crc32(image_id.encode())) % THOROUGH_PERIOD_SECONDS == 0
