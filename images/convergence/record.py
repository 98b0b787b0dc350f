"""Writes what was seen into the rows: only what is news, in a number of queries that does not grow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import OuterRef, Subquery, Sum
from django.utils import timezone

from images import lineage
from images.convergence import files
from images.convergence.facts import Observed, Wanted, WantedLayer
from images.convergence.load import is_due
from images.convergence.verdict import (
    ImageVerdict,
    LayerVerdict,
    Seen,
    judge_door,
    judge_image,
    judge_layer,
)
from images.models import ExportState, Image, ImageState, Layer, LayerState, StorageNode

# A row that a person or an upload changed meanwhile is left to the next round.
_IMAGES = """
UPDATE images_image AS image
SET state = new.state, last_error = new.error, observed_generation = new.generation,
    observed_size_bytes = new.size_bytes, observed_used_bytes = new.used_bytes
FROM unnest(%s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::int[], %s::bigint[], %s::bigint[])
    AS new(id, was_state, was_head, state, error, generation, size_bytes, used_bytes)
WHERE image.id = new.id AND image.state = new.was_state AND image.generation = new.was_head
"""
_LAYERS = """
UPDATE images_layer AS layer
SET state = new.state, last_error = new.error, observed_used_bytes = new.used_bytes,
    observed_frozen_at = coalesce(
        layer.observed_frozen_at, CASE WHEN new.frozen THEN statement_timestamp() END)
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::boolean[])
    AS new(id, was_state, state, error, used_bytes, frozen)
WHERE layer.id = new.id AND layer.state = new.was_state
"""
_VERSIONS = """
UPDATE images_version AS version SET last_error = new.error
FROM unnest(%s::bigint[], %s::text[]) AS new(id, error) WHERE version.id = new.id
"""
_EXPORTS = """
UPDATE images_export AS export
SET observed_state = new.state, last_error = new.error, observed_layer_number = new.seen,
    observed_at = statement_timestamp()
FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::text[], %s::text[], %s::int[])
    AS new(id, layer_id, head, state, error, seen), images_image AS image
WHERE export.id = new.id AND image.id = export.image_id
    AND export.layer_id IS NOT DISTINCT FROM new.layer_id
    AND (export.layer_id IS NOT NULL OR image.generation = new.head)
"""


def record(seen: Seen) -> None:
    """All rows. Versions before their layers: those say last that there is no more to wait for."""
    images: list[Sequence[Any]] = []
    layers: list[Sequence[Any]] = []
    versions: list[Sequence[Any]] = []
    gone: list[int] = []
    for want in seen.desired.images:
        due = is_due(want.image_id)
        verdict = judge_image(want, seen)
        if verdict.gone:
            _delete_image(want.image_id)
            continue
        images += _image_news(want, verdict, seen.observed, due=due)
        for layer in want.layers:
            told = judge_layer(layer, seen)
            if told.gone:
                gone.append(layer.pk)
            layers += _layer_news(layer, told, due=due)
            if layer.version is not None and told.version_error != layer.version_error:
                versions.append((layer.version, told.version_error))
    for statement, rows in ((_IMAGES, images), (_VERSIONS, versions), (_LAYERS, layers)):
        _update(statement, rows)
    _update(_EXPORTS, list(_export_news(seen)))
    if gone:
        Layer.objects.filter(pk__in=gone, state=LayerState.DELETING, children=None).delete()


def _update(statement: str, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])


def _image_news(
    want: Wanted, verdict: ImageVerdict, observed: Observed, *, due: bool
) -> Iterable[Sequence[Any]]:
    was = want.recorded
    generation = verdict.generation
    if observed.server is None or verdict.state == ImageState.DELETING:
        generation = was.generation
    size = verdict.size_bytes if verdict.size_bytes is not None else want.seen_size_bytes or None
    used = verdict.used_bytes if due or was.used_bytes is None else was.used_bytes
    old = (want.state, was.error, was.generation, want.seen_size_bytes or None, was.used_bytes)
    new = (verdict.state, verdict.error, generation, size, used)
    return [(want.image_id, want.state, want.generation, *new)] if new != old else []


def _layer_news(layer: WantedLayer, verdict: LayerVerdict, *, due: bool) -> Iterable[Sequence[Any]]:
    used = verdict.used_bytes if due or layer.seen_used_bytes is None else layer.seen_used_bytes
    frozen = verdict.frozen or layer.seen_frozen
    old = (layer.state, layer.error, layer.seen_used_bytes, layer.seen_frozen)
    new = (verdict.state, verdict.error, used, frozen)
    return [(layer.pk, layer.state, *new)] if new != old else []


def _export_news(seen: Seen) -> Iterable[Sequence[Any]]:
    images = {want.image_id: want for want in seen.desired.images}
    for door in seen.desired.doors:
        if door.export_id is None:
            continue
        want = images[door.image_id]
        state, error = judge_door(door, want, seen)
        behind = door.top.number if state == ExportState.READY else None
        if (state.value, error, behind) != (door.export_state, door.export_error, door.export_layer):
            layer = None if door.following is None else door.top.pk
            yield door.export_id, layer, want.generation, state.value, error, behind


@transaction.atomic
def _delete_image(image_id: str) -> None:
    """Its rows, and what it alone needed of another image."""
    image = Image.objects.select_for_update().filter(pk=image_id, state=ImageState.DELETING).first()
    if image is None or Layer.objects.filter(parent__image=image).exclude(image=image).exists():
        return
    bases = list(Layer.objects.filter(children__image=image).exclude(image=image))
    image.delete()
    for base in bases:
        lineage.retire(base)


def record_node(node: StorageNode, observed: Observed, error: str) -> None:
    """Room, and whether its target server answers."""
    room = files.room()
    same = Image.objects.filter(node=OuterRef("pk")).order_by().values("node")
    used = Subquery(same.annotate(total=Sum("observed_used_bytes")).values("total"))
    StorageNode.objects.filter(pk=node.pk).update(
        observed_capacity_bytes=room.capacity_bytes,
        observed_free_bytes=room.free_bytes,
        observed_used_bytes=used,
        observed_reserve_bytes=room.reserve_bytes,
        observed_target_server=_server_state(observed),
        observed_at=timezone.now(),
        last_error=error,
    )


def _server_state(observed: Observed) -> str:
    if observed.server is None:
        return "down"
    return "ready" if observed.server.ready else "offline"
