"""POST /api/v1/images/{id}/versions: what the head holds becomes the next version."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from devices.models import Device
from images import lineage, services
from images.models import Image, ImageState, LayerFormat, StorageNode, Version
from netboot_site.errors import ConflictError, ValidationError
from netboot_site.formats import GIB
from tests.conftest import Api
from tests.images.rows import publish, settle

PATH = "/api/v1/images/disk1/versions"


@pytest.fixture
def image(make_image: Callable[..., Image]) -> Image:
    made = make_image()
    settle()
    return Image.objects.get(pk=made.pk)


def test_the_old_head_is_frozen_and_an_empty_layer_takes_its_place(api: Api, image: Image) -> None:
    old = lineage.head_of(image)
    answer = api.post(PATH, {"comment": "with LibreOffice"})
    assert answer.status_code == 201
    body = answer.json()
    assert body.pop("created_at")
    assert body == {
        "number": 1, "comment": "with LibreOffice", "created_by": "operator", "size_bytes": GIB,
        "sha256": None, "state": "publishing", "verified_at": None, "last_error": "", "channels": [],
    }  # fmt: skip
    image.refresh_from_db()
    old.refresh_from_db()
    head = lineage.head_of(image)
    assert (old.frozen, old.format, old.version.number) == (True, LayerFormat.RAW, 1)
    assert (head.parent, head.format, head.size_bytes, head.used_at) == (old, LayerFormat.QCOW2, GIB, None)
    assert head.file_name == "disk1/layer-2.qcow2"
    assert image.observed_size_bytes is None, "nothing was seen yet of the new head"


def test_it_is_publishing_until_nobody_writes_it_and_the_list_tells_the_newest_first(
    api: Api, image: Image
) -> None:
    publish(image, "one")
    services.publish_version(image=image, comment="two")
    shown = [(one["number"], one["comment"], one["state"]) for one in api.get(PATH).json()]
    assert shown == [(2, "two", "publishing"), (1, "one", "ready")]


def test_a_person_who_is_signed_in_is_the_author_too(operator_client: Client, image: Image) -> None:
    answer = operator_client.post(PATH, {"comment": ""}, content_type="application/json")
    assert (answer.status_code, answer.json()["created_by"]) == (201, "operator")


def test_a_number_is_never_given_twice(image: Image) -> None:
    for _ in range(3):
        publish(image)
    services.roll_back(image=image, number=2)
    services.delete_version(image=image, number=3)
    assert publish(image).number == 4


def test_people_who_publish_at_once_get_a_number_each(
    transactional_db: None, make_image: Callable[..., Image]
) -> None:
    image = make_image()
    settle()
    together = threading.Barrier(4)
    numbers: list[int] = []

    def one() -> None:
        together.wait()
        try:
            numbers.append(services.publish_version(image=image, author="ann").number)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == [1, 2, 3, 4]
    chain = [version.layer for version in Version.objects.select_related("layer").order_by("number")]
    chain.append(lineage.head_of(Image.objects.get()))
    assert [layer.parent for layer in chain] == [None, *chain[:-1]], "one chain, in order"


@pytest.mark.parametrize(
    "state", [ImageState.CREATING, ImageState.IMPORTING, ImageState.FAILED, ImageState.DELETING]
)
def test_only_a_whole_disk_is_published(api: Api, image: Image, state: ImageState) -> None:
    Image.objects.update(state=state)
    answer = api.post(PATH, {"comment": ""})
    assert (answer.status_code, Version.objects.count()) == (409, 0)
    assert f"is {state}" in answer.json()["detail"]


def test_a_node_that_is_short_of_room_starts_nothing_new(api: Api, image: Image) -> None:
    StorageNode.objects.update(observed_free_bytes=1, observed_reserve_bytes=GIB)
    answer = api.post(PATH)
    assert (answer.status_code, Version.objects.count()) == (409, 0)
    assert "short of room" in answer.json()["detail"]


@pytest.mark.parametrize("comment", ["a\0b", "bell\a", "\x1b[31mred", "a\u202eb", "x" * 501, "\x7f"])
def test_a_comment_is_printable_and_short(api: Api, image: Image, comment: str) -> None:
    assert api.post(PATH, {"comment": comment}).status_code == 422
    assert not Version.objects.exists()
    with pytest.raises(ValidationError):
        services.publish_version(image=image, comment=comment)


@pytest.mark.parametrize("comment", ["", "line one\nline two", "Ubuntu 24.04 – für alle", "x" * 500])
def test_what_people_write_is_kept(api: Api, image: Image, comment: str) -> None:
    assert api.post(PATH, {"comment": comment}).json()["comment"] == comment


def test_a_body_may_be_left_out_and_who_only_reads_publishes_nothing(
    api: Api, image: Image, viewer: User, make_api: Callable[..., Api], operator: User
) -> None:
    for client in (make_api(viewer), make_api(operator, "read")):
        assert client.post(PATH, {"comment": "mine"}).status_code == 403
    assert not Version.objects.exists()
    assert api.post(PATH).status_code == 201


def test_while_its_device_runs_it_is_published_all_the_same(
    image: Image, make_device: Callable[..., Device]
) -> None:
    export = services.assign_image(image=image, device=make_device(1))
    assert publish(image).number == 1
    export.refresh_from_db()
    assert (export.image_id, export.layer) == ("disk1", None), "it goes on with the head"


def test_an_image_that_is_gone_meanwhile_is_told(image: Image) -> None:
    Image.objects.update(state=ImageState.DELETING)
    with pytest.raises(ConflictError, match="is deleting"):
        services.publish_version(image=image)
