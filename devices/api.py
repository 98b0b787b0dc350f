"""REST calls of devices."""

from ninja import Router

router = Router(tags=["devices"])
