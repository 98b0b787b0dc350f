"""What every page says when Redis or a storage node is down, or short of room: pages themselves go on."""

from __future__ import annotations

import functools

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from images.models import StorageNode
from images.space import shortage
from netboot_site.service_states import SeenNode, outages


def troubles_of_page(request: HttpRequest) -> dict[str, object]:
    """For templates: one query, where a page asks, and only for a signed-in person."""
    nodes = functools.cache(lambda: list(StorageNode.objects.all()))
    return {
        "shortages": SimpleLazyObject(lambda: [shortage(one) for one in nodes() if one.is_short_of_room]),
        "outages": SimpleLazyObject(lambda: outages([_seen(node) for node in nodes()])),
    }


def _seen(node: StorageNode) -> SeenNode:
    return SeenNode(node.name, node.observed_target_server, node.observed_at, node.last_error)
