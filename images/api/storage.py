"""REST calls of storage nodes."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Status

from images import services
from images.schemas.storage import OrphansIn, RemovingOut, StorageOut, storage_out
from images.space import node_spaces

router = Router()


@router.get("/storage", response=list[StorageOut])
def list_storage(request: HttpRequest) -> list[StorageOut]:
    """What room each storage node has."""
    return [storage_out(space) for space in node_spaces()]


@router.post("/storage/{node}/orphans/remove", response={202: RemovingOut})
def remove_orphans(request: HttpRequest, node: str, body: OrphansIn) -> Status[RemovingOut]:
    """Remove files that were found to belong to no image; the node looks again before it removes one."""
    services.remove_orphans(name=node, orphans=body.names)
    return Status(202, RemovingOut(status="removing", node=node, names=body.names))


@router.delete("/storage/{node}", response={204: None})
def remove_storage_node(request: HttpRequest, node: str) -> Status[None]:
    """Forget a storage node that was taken away; 409 while it is at work or has images."""
    services.remove_node(name=node)
    return Status(204, None)
