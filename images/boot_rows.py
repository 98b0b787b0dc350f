"""Which layers have rows of boot files, and when those are to be read anew; for services and convergence.

A layer has the content of the one that it stands on until a machine was seen at it. Its row then follows that
one's, files and all, and nothing is read twice. From a machine's first login on it is read itself, whenever
nobody is logged in; until then the files that were copied, or read last, go on counting.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from images.models import BootFile, BootFiles, BootFilesState, Layer, LayerState

READ_OF = "layer"  # the fact that tells which layer was read; it stays in copies
_A_MOMENT = timedelta(microseconds=1)  # the database's own: a clock that was set back forgets nothing


def mark_written(layers: Collection[int]) -> None:
    """A machine is, or was until now, at these layers: what was read of them is to be read again."""
    after = Greatest(Value(timezone.now()), F("wanted_at") + _A_MOMENT, F("read_at") + _A_MOMENT)
    BootFiles.objects.filter(layer__in=layers).update(wanted_at=after)


@transaction.atomic
def follow(layer_id: int) -> None:
    """Make a layer's row what the layer is by now: see images/convergence/boot_files.py."""
    layer = Layer.objects.filter(pk=layer_id, state=LayerState.READY).first()
    if layer is None:
        return
    under = BootFiles.objects.select_for_update().filter(layer=layer.parent_id).first()
    own = BootFiles.objects.select_for_update().filter(layer=layer).first()
    if is_unwritten(layer):
        if under is not None:
            copy(under, layer, own)
    elif own is None or _is_older_copy(own, under, layer):
        _begin(layer, under, own)
    elif layer.used_at is not None and own.read_at is not None and own.read_at < layer.used_at:
        # told to a machine that was never seen to log in: it may have written all the same
        own.wanted_at = max(own.wanted_at, layer.used_at)
        own.save(update_fields=["wanted_at"])


def is_unwritten(layer: Layer) -> bool:
    """Whether it has nothing but what it stands on."""
    return layer.parent_id is not None and layer.used_at is None


def _is_older_copy(own: BootFiles, under: BootFiles | None, layer: Layer) -> bool:
    """Whether it has never been read itself, and what it stands on has been since."""
    if under is None or under.read_at is None:
        return False
    return own.read_at is None or (own.read_at < under.read_at and own.facts.get(READ_OF) != layer.pk)


def _begin(layer: Layer, under: BootFiles | None, own: BootFiles | None) -> None:
    """It is to be read; what was read of the layer under it counts until then."""
    now = timezone.now()
    if under is not None:
        copy(under, layer, own, wanted_at=now)
    elif layer.used_at is None and layer.observed_used_bytes == 0:  # a disk that is all holes
        BootFiles.objects.create(layer=layer, wanted_at=now, read_at=now, state=BootFilesState.NONE)
    else:
        BootFiles.objects.create(layer=layer, wanted_at=now)


def carry_over(old: Layer, new: Layer) -> None:
    """A layer that has the whole content of another one. Inside its caller's transaction."""
    source = BootFiles.objects.select_for_update().filter(layer=old).first()
    if source is not None:
        copy(source, new, None)


def copy(source: BootFiles, layer: Layer, own: BootFiles | None, wanted_at: datetime | None = None) -> None:
    """Let a layer have what was read of another one. Both rows are locked."""
    row = own or BootFiles(layer=layer)
    row.wanted_at, row.read_at = wanted_at or source.wanted_at, source.read_at
    row.state, row.facts, row.last_error = source.state, source.facts, source.last_error
    row.save()
    replace_files(row, dict(source.files.values_list("path", "blob_id")))


def replace_files(row: BootFiles, files: dict[str, str]) -> None:
    """These files, SHA-256 by path, and no others."""
    row.files.all().delete()
    BootFile.objects.bulk_create(
        BootFile(boot_files=row, path=path, blob_id=sha256) for path, sha256 in sorted(files.items())
    )
