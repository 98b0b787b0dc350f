"""Layers as files: made, grown and frozen, each whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

from images.ports import LayerFile
from netboot_site import system
from netboot_site.errors import ConflictError, UnavailableError

TIMEOUT_SECONDS = 60.0
FROZEN_MODE = 0o444
_PRIVATE_UMASK = 0o077
# A part of 4 KiB can be written without first copying its whole cluster up from the layer below.
_OPTIONS = "cluster_size=128k,extended_l2=on,lazy_refcounts=off"


def create(path: str, size_bytes: int, parent: LayerFile) -> None:
    """An empty qcow2 layer. Its header names the parent by a relative path, so that all may move together."""
    target = Path(path)
    if target.exists():
        return
    if not Path(parent.path).exists():
        raise ConflictError("The layer that this one was to stand on is not there.")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half_done = target.with_name(f".{target.name}.new")
    half_done.unlink(missing_ok=True)  # of somebody who was killed
    backing = os.path.relpath(parent.path, target.parent)
    try:
        qemu_img(
            "create", "-q", "-u", "-f", "qcow2", "-o", f"{_OPTIONS},backing_fmt={parent.format}",
            "-b", backing, str(half_done), str(size_bytes),
        )  # fmt: skip
        sync(half_done)
        half_done.rename(target)
    finally:
        half_done.unlink(missing_ok=True)
    sync(target.parent)


def grow(path: str, size_bytes: int) -> None:
    """The virtual size; the header's backing file is not opened."""
    if not Path(path).exists():
        raise ConflictError("There is no such layer.")
    if virtual_size(path) >= size_bytes:
        return
    node = {"driver": "qcow2", "file": {"driver": "file", "filename": path}, "backing": None}
    qemu_img("resize", "-q", f"json:{json.dumps(node)}", str(size_bytes))
    sync(Path(path))


def freeze(path: str) -> None:
    """Everything to the disk, then nobody may open it for writing."""
    target = Path(path)
    if not target.exists():
        raise ConflictError("There is no such layer.")
    sync(target)
    target.chmod(FROZEN_MODE)
    sync(target)


def virtual_size(path: str) -> int:
    """The size of the disk that a qcow2 file describes: 8 bytes at 24 of its header (docs/interop/qcow2)."""
    with Path(path).open("rb") as file:
        header = file.read(32)
    if len(header) < 32 or not header.startswith(b"QFI\xfb"):
        raise ConflictError("The layer's file is no qcow2 file.")
    return int.from_bytes(header[24:32], "big")


def sync(path: Path) -> None:
    """Wait until the disk has a file, or a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def qemu_img(*words: str) -> None:
    """Run qemu-img(1). Raises what `refuse` raises if it fails."""
    done = system.run(["qemu-img", *words], timeout_seconds=TIMEOUT_SECONDS, umask=_PRIVATE_UMASK)
    if done.exit_code != 0:
        raise refusal(done.stderr)


def refusal(told: str) -> ConflictError | UnavailableError:
    """What a qemu program's English text means to us; the text itself names paths of the server."""
    if "No space left" in told:
        return UnavailableError("The disk of this storage node is full.")
    if '" lock' in told:
        return ConflictError("Another process still writes this layer.")
    if "Failed to mount FUSE" in told:
        return UnavailableError(
            "This storage node cannot serve layers: it may not use /dev/fuse. Overlays need it; "
            "`make up` says what to do."
        )
    if "No such file" in told:
        return ConflictError("A layer's file is not there.")
    return ConflictError("A layer's file cannot be read: it may be damaged.")
