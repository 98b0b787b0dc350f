"""REST calls of images."""

from ninja import Router

router = Router(tags=["images"])
