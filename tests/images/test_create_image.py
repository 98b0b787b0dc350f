"""POST /api/v1/images and services.create_image."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from images import services
from images.models import Image, StorageNode
from netboot_site.errors import ConflictError, ValidationError
from netboot_site.formats import GIB
from tests.conftest import Api

BODY = {"id": "disk1", "name": "Disk one", "size_gb": 8, "device_type": "x64"}


def test_an_image_is_created_as_asked(api: Api, node: StorageNode) -> None:
    answer = api.post("/api/v1/images", {**BODY, "created_at": "2020-01-01T00:00:00Z"})
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert {key: body[key] for key in ("id", "name", "size_gb", "device_type", "assigned_to")} == {
        "id": "disk1", "name": "Disk one", "size_gb": 8, "device_type": "x64", "assigned_to": None,
    }  # fmt: skip
    assert body["iqn"] == "iqn.2026-02.local.netboot:disk1"
    assert (body["state"], body["size_bytes"], body["versions"]) == ("creating", 8 * GIB, [])
    assert not body["created_at"].startswith("2020")
    assert '"size_gb": 8,' in answer.content.decode() or '"size_gb":8,' in answer.content.decode()


@pytest.mark.parametrize("size_gb", [0.1, 1.5, 3.333, 0.001])
def test_a_broken_size_comes_back_as_it_was_given(api: Api, node: StorageNode, size_gb: float) -> None:
    body = api.post("/api/v1/images", {**BODY, "size_gb": size_gb}).json()
    assert body["size_gb"] == size_gb
    assert body["size_bytes"] % 512 == 0
    assert body["size_bytes"] >= size_gb * GIB


@pytest.mark.parametrize("size_gb", [0, -5, 1e30, 1e300, 17000, "much", None, True is False])
def test_a_size_that_cannot_be_is_refused(api: Api, node: StorageNode, size_gb: Any) -> None:
    assert api.post("/api/v1/images", {**BODY, "size_gb": size_gb}).status_code == 422
    assert not Image.objects.exists()


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_a_size_that_is_no_number_is_refused(api: Api, node: StorageNode, text: str) -> None:
    body = json.dumps(BODY).replace("8", text)
    from django.test import Client

    answer = Client().post(
        "/api/v1/images", body, "application/json", headers={"Authorization": f"Bearer {api.token}"}
    )
    assert answer.status_code in {400, 422}, answer.content
    assert not Image.objects.exists()


@pytest.mark.parametrize(
    "image_id",
    ["", "Disk1", "-disk", "a" * 64, "a/b", "..", "a.b", "disk 1", "disk1\n", "dïsk", "a,b", "a:b", "${x}"],
)
def test_an_id_that_is_no_slug_is_refused(api: Api, node: StorageNode, image_id: str) -> None:
    answer = api.post("/api/v1/images", {**BODY, "id": image_id})
    assert answer.status_code == 422
    assert "small letters" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "${net0/mac}", "x" * 201, "bell\x07", "nul\0"])
def test_a_name_that_would_break_a_script_is_refused(api: Api, node: StorageNode, name: str) -> None:
    assert api.post("/api/v1/images", {**BODY, "name": name}).status_code == 422


def test_an_unknown_device_type_is_refused(api: Api, node: StorageNode) -> None:
    answer = api.post("/api/v1/images", {**BODY, "device_type": "arm"})
    assert answer.status_code == 422
    assert "raspi, x86, x64" in answer.json()["detail"]


def test_an_id_is_taken_once(api: Api, node: StorageNode) -> None:
    assert api.post("/api/v1/images", BODY).status_code == 201
    answer = api.post("/api/v1/images", {**BODY, "name": "Another"})
    assert answer.status_code == 409
    assert "'disk1' exists already" in answer.json()["detail"]


def test_an_image_larger_than_the_room_that_is_left_is_refused(
    node: StorageNode, make_image: Callable[..., Image]
) -> None:
    StorageNode.objects.update(observed_free_bytes=10 * GIB)
    make_image("fits", 9 * GIB)
    make_image("fits-too-since-disks-are-sparse", 9 * GIB)
    with pytest.raises(ConflictError, match=r"10\.0 GiB left"):
        make_image("large", 11 * GIB)


def test_without_a_storage_node_nothing_is_created(db: None) -> None:
    with pytest.raises(ConflictError, match="not registered yet"):
        services.create_image(image_id="a", name="A", size_bytes=GIB, device_type="x64")


def test_a_viewer_may_not_create_and_a_stranger_may_not_look(
    node: StorageNode, viewer: Any, make_api: Callable[..., Api]
) -> None:
    assert make_api(viewer).post("/api/v1/images", BODY).status_code == 403
    assert make_api(viewer).get("/api/v1/images").status_code == 200
    assert Api("wrong").get("/api/v1/images").status_code == 401


@pytest.mark.parametrize("size_bytes", [0, -5, 10**39])
def test_the_service_itself_refuses_such_sizes(node: StorageNode, size_bytes: int) -> None:
    with pytest.raises(ValidationError):
        services.create_image(image_id="a", name="A", size_bytes=size_bytes, device_type="x64")


def test_over_rest_a_disk_is_made_on_the_node_that_is_named(api: Api, node: StorageNode) -> None:
    services.register_node(name="second", portal_address="127.0.0.2", portal_port=3261)
    body = {"id": "there", "name": "There", "size_gb": 1, "device_type": "x64", "node": "second"}
    answer = api.post("/api/v1/images", body)
    assert (answer.status_code, json.loads(answer.content)["node"]) == (201, "second")
    refused = api.post("/api/v1/images", {**body, "id": "lost", "node": "nowhere"})
    assert (refused.status_code, json.loads(refused.content)) == (
        422, {"detail": "There is no storage node 'nowhere'."},
    )  # fmt: skip
    assert list(Image.objects.values_list("pk", "node")) == [("there", "second")]
