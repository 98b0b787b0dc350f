"""Keeps the rows of boot files in step with layers: by facts that are in rows, so that no crash loses one."""

from __future__ import annotations

from django.db import connection

from images import boot_rows
from images.models import StorageNode

MOST_AT_ONCE = 50  # of each a few short statements; the others come a second later
# A layer with content of its own lacks a row; or nobody noted its first use in it; or it was never read
# itself, and what it stands on has been since. Or a layer without such content has another row than what it
# stands on. A fresh overlay has none: its machine boots with its version's files.
_OUT_OF_STEP = """
SELECT layer.id
FROM images_layer AS layer
JOIN images_image AS image ON image.id = layer.image_id
LEFT JOIN images_bootfiles AS own ON own.layer_id = layer.id
LEFT JOIN images_bootfiles AS under ON under.layer_id = layer.parent_id
WHERE image.node_id = %s AND image.device_type = 'raspi' AND image.state <> 'deleting'
    AND layer.state = 'ready'
    AND CASE
        WHEN layer.parent_id IS NULL OR layer.used_at IS NOT NULL
            THEN own.id IS NULL OR (own.read_at < layer.used_at AND own.wanted_at <= own.read_at)
                OR (own.read_at IS NULL AND under.read_at IS NOT NULL)
                OR (own.read_at < under.read_at AND own.facts -> 'layer' IS DISTINCT FROM to_jsonb(layer.id))
        WHEN layer.device_id IS NOT NULL OR under.id IS NULL THEN false
        ELSE own.id IS NULL OR (own.state, own.wanted_at, own.read_at)
            IS DISTINCT FROM (under.state, under.wanted_at, under.read_at)
    END
ORDER BY layer.id LIMIT %s
"""


def tend_boot_files(node: StorageNode) -> None:
    """Make and update rows; a quiet round costs one query."""
    with connection.cursor() as cursor:
        cursor.execute(_OUT_OF_STEP, [node.pk, MOST_AT_ONCE])
        found = [layer_id for (layer_id,) in cursor.fetchall()]
    for layer_id in found:
        boot_rows.follow(layer_id)
