"""How a chain of layers is spelled for qemu: every node named by us, so that it never looks into a header
for a format or a path."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from images.ports import LayerFile
from netboot_site.system import has_io_uring

Node = dict[str, Any]
_MIB = 1024**2
# 1 MiB of these tables covers 8 GiB of a layer (128 KiB clusters, 16 bytes for each).
L2_CACHE_BYTES = 2 * _MIB
L2_CACHE_BELOW_BYTES = 1 * _MIB  # of a layer that is only read
EXPORT_ID = "disk"


def layer_name(path: str) -> str:
    """The name of the node that shows a layer's content. QEMU takes 31 characters."""
    return f"layer-{hashlib.sha256(path.encode()).hexdigest()[:16]}"


def file_name_of(layer: str) -> str:
    """The name of the node that is a layer's file."""
    return layer.replace("layer-", "file-", 1)


def chain(layers: Sequence[LayerFile], *, writable: bool, shared: bool = False) -> list[Node]:
    """A node for each layer, the lowest first, as each names the one under it."""
    nodes: list[Node] = []
    for layer in reversed(layers):
        is_top = layer is layers[0]
        backing = nodes[-1]["node-name"] if nodes else None
        node = _layer(layer, backing, writable=writable and is_top)
        if shared and is_top:  # no lock is taken on it
            node |= {"force-share": True, "file": {**node["file"], "force-share": True}}
        nodes.append(node)
    return nodes


def detached(path: str) -> Node:
    """A writable qcow2 layer that does not know yet what it stands on."""
    return _layer(LayerFile(path, "qcow2"), None, writable=True)


def export(node: str, mountpoint: str, *, writable: bool) -> Node:
    """The plain file, for its own user alone."""
    return {
        "type": "fuse",
        "id": EXPORT_ID,
        "node-name": node,
        "mountpoint": mountpoint,
        "writable": writable,
        "growable": False,
        "allow-other": "off",
    }


def _layer(layer: LayerFile, backing: str | None, *, writable: bool) -> Node:
    name = layer_name(layer.path)
    # With auto-read-only a file that became a lower layer is opened for reading alone, its lock given back.
    access = {"auto-read-only": True} if writable else {"read-only": True}
    file = {"driver": "file", "node-name": file_name_of(name), "filename": layer.path, **access}
    file["discard"] = "unmap"
    # A third less processor time for each byte read than a pool of threads takes.
    file["aio"] = "io_uring" if has_io_uring() else "threads"
    node: Node = {"driver": layer.format, "node-name": name, "file": file, "discard": "unmap"}
    if not writable:
        node["read-only"] = True
    if layer.format == "qcow2":
        node["backing"] = backing
        node["l2-cache-size"] = L2_CACHE_BYTES if writable else L2_CACHE_BELOW_BYTES
    if writable:
        node["detect-zeroes"] = "unmap"
    return node
