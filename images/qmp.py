"""Asks and tells a qemu-storage-daemon over QMP (qemu-qmp-ref(7)), one short connection each time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from qemu.qmp import ExecuteError, QMPClient, QMPError

from images import qemu_nodes
from netboot_site.errors import ConflictError, UnavailableError

TIMEOUT_SECONDS = 10.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Serving:
    """What a process says that it serves."""

    top: str  # the path of the layer that the file shows
    writable: bool


def serving(socket: Path) -> Serving:
    """What is served now."""
    return _talk(socket, _serving)


def put_on_top(socket: Path, path: str) -> None:
    """Let an empty qcow2 layer take the writes from now on; done already, nothing happens."""

    async def put(client: QMPClient) -> None:
        old, overlay = await _exported(client), qemu_nodes.layer_name(path)
        if old == overlay:
            return
        if overlay in await _nodes(client):  # somebody who was killed came this far
            await client.execute("blockdev-del", {"node-name": overlay})
        await client.execute("blockdev-add", qemu_nodes.detached(path))
        await client.execute("blockdev-snapshot", {"node": old, "overlay": overlay})

    _talk(socket, put)


def _talk(socket: Path, talk: Callable[[QMPClient], Awaitable[T]]) -> T:
    async def connected() -> T:
        client = QMPClient("layers")
        await client.connect(str(socket))
        try:
            return await talk(client)
        finally:
            await client.disconnect()

    async def limited() -> T:
        return await asyncio.wait_for(connected(), TIMEOUT_SECONDS)

    try:
        return asyncio.run(limited())
    except ExecuteError as error:
        raise ConflictError("The process that serves this disk refused to change its layers.") from error
    except (QMPError, OSError, TimeoutError) as error:
        raise UnavailableError("The process that serves this disk does not answer.") from error


async def _exported(client: QMPClient) -> str:
    exports = cast(list[dict[str, Any]], await client.execute("query-block-exports"))
    if len(exports) != 1:
        raise UnavailableError("The process that serves this disk shows no file.")
    return str(exports[0]["node-name"])


async def _nodes(client: QMPClient) -> dict[str, dict[str, Any]]:
    shown = cast(list[dict[str, Any]], await client.execute("query-named-block-nodes", {"flat": True}))
    return {node["node-name"]: node for node in shown}


async def _serving(client: QMPClient) -> Serving:
    layer, nodes = await _exported(client), await _nodes(client)
    return Serving(nodes[qemu_nodes.file_name_of(layer)]["file"], writable=not nodes[layer]["ro"])
