"""REST calls of storage nodes."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router

from images.schemas.storage import StorageOut, storage_out
from images.space import node_spaces

router = Router()


@router.get("/storage", response=list[StorageOut])
def list_storage(request: HttpRequest) -> list[StorageOut]:
    """What room each storage node has."""
    return [storage_out(space) for space in node_spaces()]
