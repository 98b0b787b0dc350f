"""Writes what was seen into the rows: only what is news, in a number of queries that does not grow."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import OuterRef, Subquery, Sum
from django.utils import timezone

from images.convergence.facts import Desired, Observed, Wanted
from images.convergence.load import is_due
from images.convergence.plan import NO_FILES
from images.convergence.verdict import Verdict
from images.models import Export, Image, ImageState, StorageNode

Changes = tuple[tuple[str, Any], ...]


def record_images(desired: Desired, observed: Observed, verdicts: Mapping[str, Verdict]) -> None:
    """Images. One that a person or an upload changed meanwhile is left to the next round."""
    groups: dict[tuple[ImageState, int, Changes], list[str]] = defaultdict(list)
    for want in desired.images:
        verdict = verdicts[want.image_id]
        if verdict.gone:
            Image.objects.filter(pk=want.image_id, state=ImageState.DELETING).delete()
        elif changes := _image_changes(want, verdict, observed):
            groups[(want.state, want.generation, changes)].append(want.image_id)
    for (state, generation, changes), ids in groups.items():
        Image.objects.filter(pk__in=ids, state=state, generation=generation).update(**dict(changes))


def _image_changes(want: Wanted, verdict: Verdict, observed: Observed) -> Changes:
    seen = observed.files.get(want.image_id, NO_FILES)
    now: dict[str, Any] = {"state": verdict.state, "last_error": verdict.error}
    was: dict[str, Any] = {"state": want.state, "last_error": want.recorded.error}
    if observed.server is not None and verdict.state != ImageState.DELETING:
        now["observed_generation"], was["observed_generation"] = (
            verdict.observed_generation, want.recorded.generation,
        )  # fmt: skip
    if verdict.observed_size_bytes is not None:
        now["observed_size_bytes"], was["observed_size_bytes"] = (
            verdict.observed_size_bytes, want.seen_size_bytes,
        )  # fmt: skip
    if want.recorded.used_bytes is None or is_due(want.image_id):
        now["observed_used_bytes"], was["observed_used_bytes"] = seen.used_bytes, want.recorded.used_bytes
    return tuple((name, value) for name, value in now.items() if value != was[name])


def record_exports(desired: Desired, verdicts: Mapping[str, Verdict]) -> None:
    """Exports, by what is to be said of them."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for want in desired.images:
        was, verdict = want.recorded, verdicts[want.image_id]
        now = (verdict.export_state.value, verdict.export_error)
        if was.export_id is not None and now != (was.export_state, was.export_error):
            groups[now].append(was.export_id)
    for (state, error), ids in groups.items():
        changes = {"observed_state": state, "last_error": error, "observed_at": timezone.now()}
        Export.objects.filter(pk__in=ids).update(**changes)


def record_node(node: StorageNode, observed: Observed, error: str) -> None:
    """Room, and whether its target server answers."""
    room = os.statvfs(settings.IMAGES_PATH)
    same = Image.objects.filter(node=OuterRef("pk")).order_by().values("node")
    used = Subquery(same.annotate(total=Sum("observed_used_bytes")).values("total"))
    StorageNode.objects.filter(pk=node.pk).update(
        observed_capacity_bytes=room.f_frsize * room.f_blocks,
        observed_free_bytes=room.f_frsize * room.f_bavail,
        observed_used_bytes=used,
        observed_reserve_bytes=settings.STORAGE_RESERVE_BYTES,
        observed_target_server=_server_state(observed),
        observed_at=timezone.now(),
        last_error=error,
    )


def _server_state(observed: Observed) -> str:
    if observed.server is None:
        return "down"
    return "ready" if observed.server.ready else "offline"
