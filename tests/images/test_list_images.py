"""GET of images and of storage."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.models import Device
from images import services
from images.models import Image, StorageNode
from netboot_site.formats import GIB
from tests.conftest import Api


def test_an_image_says_who_has_it(
    api: Api, make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    services.assign_image(image=make_image(), device=make_device(1))
    body = api.get("/api/v1/images/disk1").json()
    assert body["assigned_to"] == "52:54:00:00:00:01"
    assert "secret" not in str(body).lower()


def test_an_unknown_image_is_404(api: Api, node: StorageNode) -> None:
    for image_id in ("nope", "DISK1", "a" * 300, "%00", "..%2f..%2fetc"):
        answer = api.get(f"/api/v1/images/{image_id}")
        assert answer.status_code == 404, image_id


@pytest.mark.parametrize("count", [1, 20])
def test_the_list_costs_the_same_for_one_and_for_twenty(
    api: Api, make_image: Callable[..., Image], make_device: Callable[..., Device], count: int
) -> None:
    for number in range(1, count + 1):
        services.assign_image(image=make_image(f"disk{number}"), device=make_device(number))
    api.get("/api/v1/images")  # the token's last use is noted now
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(api.get("/api/v1/images").json()) == count
    assert len(queries) == 4, [query["sql"] for query in queries]  # token, images, exports, devices


def test_storage_tells_what_is_promised_and_what_is_left(
    api: Api, make_image: Callable[..., Image], converge: Callable[[], None]
) -> None:
    make_image("a", 3 * GIB)
    make_image("b", 5 * GIB)
    converge()
    (node,) = api.get("/api/v1/storage").json()
    assert node["committed_bytes"] == 8 * GIB
    assert node["capacity_bytes"] >= node["free_bytes"] > 0
    assert node["used_bytes"] < GIB
    assert (node["name"], node["target_server"], node["image_count"]) == ("local", "ready", 2)
