"""Versions with real files, raw and qcow2 chains, without a converger."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from images import lineage
from images.disk_reading import chain_of, layer_path
from images.models import Image, Layer, LayerState, Version
from images.qemu import local_store

Writes = dict[int, bytes]
MIB = 1024 * 1024


def content(size_bytes: int, *layers: Writes) -> bytes:
    """What a machine would read of a disk that was written so."""
    disk = bytearray(size_bytes)
    for writes in layers:
        for at, data in writes.items():
            disk[at : at + len(data)] = data
    return bytes(disk)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fill(layer: Layer, writes: Writes) -> None:
    """Make a layer's file and write to it, as a machine would through its target."""
    path = layer_path(layer)
    path.parent.mkdir(parents=True, exist_ok=True)
    if layer.parent is None:
        with path.open("wb") as file:
            file.truncate(layer.size_bytes)
            for at, data in writes.items():
                file.seek(at)
                file.write(data)
    else:
        local_store().create(str(path), layer.size_bytes, chain_of(layer.parent)[0])
        _write_qcow2(path, writes)
    Layer.objects.filter(pk=layer.pk).update(state=LayerState.READY, observed_used_bytes=used(path))


def used(path: Path) -> int:
    return path.stat().st_blocks * 512


def _write_qcow2(path: Path, writes: Writes) -> None:
    source = path.with_suffix(".source")
    for at, data in writes.items():
        source.write_bytes(data)
        command = f"write -q -s {source} {at} {len(data)}"
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, str(path)], check=True)
    source.unlink(missing_ok=True)


def freeze(layer: Layer) -> None:
    layer_path(layer).chmod(0o444)
    layer.frozen, layer.observed_frozen_at = True, timezone.now()
    layer.save(update_fields=["frozen", "observed_frozen_at"])


def add_version(image: Image, writes: Writes) -> Version:
    """Write the head, and publish it as the converger would have ended it."""
    image.refresh_from_db()
    head = lineage.head_of(image)
    fill(head, writes)
    version = lineage.add_version(image, lineage.freeze_head(image), comment="", author="")
    freeze(version.layer)
    new_head = lineage.head_of(image)
    fill(new_head, {})
    return version


def files_of(image: Image) -> set[str]:
    return {path.name for path in (Path(settings.IMAGES_PATH) / image.pk).iterdir()}
