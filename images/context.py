"""What every page says of storage."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from images.space import short_nodes, shortage


def shortages(request: HttpRequest) -> dict[str, object]:
    """Storage nodes that are short of room: one query, where a page asks, and only for a signed-in person."""
    return {"shortages": SimpleLazyObject(lambda: [shortage(node) for node in short_nodes()])}
