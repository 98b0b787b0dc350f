"""Capacity, use and promise of storage nodes, and what happens below the reserve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device
from images import services
from images.models import Image, Layer, LayerState, StorageNode
from images.overview import storage_totals
from images.space import node_spaces
from netboot_site.errors import ConflictError
from netboot_site.formats import GIB
from tests.conftest import Api

PAGES = ("/", "/images/", "/devices/", "/boots/", "/installers/", "/kernel-sets/")


def committed() -> int:
    (space,) = node_spaces()
    return space.committed_bytes


def let_room_be(free_bytes: int, used_bytes: int = 0) -> None:
    StorageNode.objects.update(
        observed_capacity_bytes=100 * GIB, observed_free_bytes=free_bytes, observed_used_bytes=used_bytes,
        observed_reserve_bytes=GIB,
    )  # fmt: skip


def test_a_disk_is_committed_with_its_size_before_it_holds_anything(make_image: Callable[..., Image]) -> None:
    make_image("a", 3 * GIB)
    make_image("b", 5 * GIB)
    assert committed() == 8 * GIB


def test_a_layer_that_took_more_than_its_disk_is_committed_with_that(
    make_image: Callable[..., Image],
) -> None:
    make_image("a", GIB)
    Layer.objects.update(observed_used_bytes=GIB + 4096)
    assert committed() == GIB + 4096


def test_a_version_is_committed_with_what_it_takes(make_image: Callable[..., Image]) -> None:
    image = make_image("a", 10 * GIB)
    Image.objects.update(state="ready")
    services.publish_version(image=image)
    frozen = Layer.objects.filter(number=1)
    frozen.update(observed_used_bytes=GIB)
    assert committed() == 20 * GIB, "the old head may grow until it has been seen to be frozen"
    frozen.update(observed_frozen_at=timezone.now())
    assert committed() == 11 * GIB


def test_a_layer_that_goes_is_committed_with_what_it_still_takes(make_image: Callable[..., Image]) -> None:
    make_image("a", 10 * GIB)
    Layer.objects.update(state=LayerState.DELETING)
    assert committed() == 0
    Layer.objects.update(observed_used_bytes=GIB)
    assert committed() == GIB


def test_each_node_has_its_own_sums(make_image: Callable[..., Image], node: StorageNode) -> None:
    services.register_node(name="second", portal_address="127.0.0.2", portal_port=3261)
    make_image("here", 2 * GIB)
    services.create_image(
        image_id="there", name="There", size_bytes=7 * GIB, device_type="x64", node="second"
    )
    found = {space.name: (space.committed_bytes, space.image_count) for space in node_spaces()}
    assert found == {"local": (2 * GIB, 1), "second": (7 * GIB, 1)}


def test_overcommit_is_the_promise_over_what_there_is_for_it(
    api: Api, make_image: Callable[..., Image]
) -> None:
    make_image("a", 30 * GIB)
    assert api.get("/api/v1/storage").json()[0]["overcommit_ratio"] is None
    let_room_be(10 * GIB, used_bytes=10 * GIB)
    assert api.get("/api/v1/storage").json()[0]["overcommit_ratio"] == 1.5
    assert storage_totals().overcommit == 1.5


@pytest.mark.parametrize("count", [1, 5])
def test_the_room_of_all_nodes_is_one_query(node: StorageNode, count: int) -> None:
    for number in range(count):
        services.register_node(name=f"n{number}", portal_address="127.0.0.2", portal_port=3261)
    with CaptureQueriesContext(connection) as queries:
        node_spaces()
    assert len(queries) == 1, [query["sql"] for query in queries]


def test_the_worker_notes_the_reserve(
    api: Api, node: StorageNode, converge: Callable[[], None], settings: Any
) -> None:
    settings.STORAGE_RESERVE_BYTES = 1
    converge()
    (found,) = api.get("/api/v1/storage").json()
    assert (found["reserve_bytes"], found["short_of_room"]) == (1, False)
    settings.STORAGE_RESERVE_BYTES = 2**60
    converge()
    assert api.get("/api/v1/storage").json()[0]["short_of_room"] is True


def test_below_the_reserve_nothing_new_is_started(
    make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    image = make_image()
    Image.objects.update(state="ready")
    let_room_be(GIB - 1)
    refused: list[Callable[[], object]] = [
        lambda: services.create_image(image_id="b", name="B", size_bytes=512, device_type="x64"),
        lambda: services.publish_version(image=image),
        lambda: services.clone_image(image=image, new_id="c", name="C"),
        lambda: services.resize_image(image=image, size_bytes=2 * GIB),
        lambda: services.assign_image(image=image, device=make_device()),
    ]
    for number, start in enumerate(refused):
        with pytest.raises(ConflictError, match=r"is short of room \(1\.0 GiB left\)"):
            start()
        assert Image.objects.count() == Layer.objects.count() == 1, number


def test_what_makes_room_is_done_below_the_reserve(make_image: Callable[..., Image]) -> None:
    image = make_image()
    let_room_be(0)
    services.delete_image(image=image)
    image.refresh_from_db()
    assert image.state == "deleting"


def test_changes_are_thrown_away_below_the_reserve(
    make_published: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    image = make_published()
    services.assign_image(image=image, device=make_device(), mode="overlay")
    let_room_be(0)
    services.reset_disk(device=Device.objects.get())
    services.roll_back(image=image, number=1)
    assert Layer.objects.filter(state=LayerState.DELETING).count() == 2


def test_every_page_says_which_node_is_short_of_room(operator_client: Client, node: StorageNode) -> None:
    let_room_be(GIB // 2)
    for page in PAGES:
        text = operator_client.get(page).content.decode()
        assert "The storage node local is short of room: 0.50 GiB are left" in text, page


def test_no_page_says_so_while_there_is_room(operator_client: Client, node: StorageNode) -> None:
    let_room_be(GIB)
    for page in PAGES:
        assert "short of room" not in operator_client.get(page).content.decode(), page


def test_a_stranger_is_told_nothing_of_the_storage(client: Client, node: StorageNode) -> None:
    let_room_be(0)
    for page in ("/login/", "/nothing-here/"):
        assert "short of room" not in client.get(page).content.decode(), page


def test_a_page_asks_once_for_the_shortage(operator_client: Client, node: StorageNode) -> None:
    let_room_be(0)
    with CaptureQueriesContext(connection) as queries:
        operator_client.get("/installers/")
    asked = [query["sql"] for query in queries if 'FROM "images_storagenode"' in query["sql"]]
    assert len(asked) == 1, asked
