"""REST calls of bootflow."""

from ninja import Router

router = Router(tags=["bootflow"])
