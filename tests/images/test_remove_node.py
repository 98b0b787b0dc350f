"""DELETE of a storage node that was taken away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from images import services
from images.models import Image, StorageNode
from netboot_site.heartbeat import beat
from netboot_site.models import Heartbeat
from tests.conftest import Api

PATH = "/api/v1/storage/second"


@pytest.fixture
def second(node: StorageNode) -> StorageNode:
    """A second node that has not been seen for a minute."""
    found = services.register_node(name="second", portal_address="127.0.0.2", portal_port=3261)
    StorageNode.objects.filter(pk="second").update(observed_at=timezone.now() - timedelta(minutes=1))
    for name in ("storage.second", "storage.second.jobs", "storage.local"):
        beat(name)
    return found


def test_a_node_that_was_taken_away_is_forgotten_with_its_heartbeats(api: Api, second: StorageNode) -> None:
    assert api.delete(PATH).status_code == 204
    assert list(StorageNode.objects.values_list("pk", flat=True)) == ["local"]
    assert list(Heartbeat.objects.values_list("name", flat=True)) == ["storage.local"]
    assert api.delete(PATH).status_code == 404


def test_a_node_with_images_stays(api: Api, second: StorageNode, make_image: Callable[..., Image]) -> None:
    make_image("there")
    Image.objects.update(node=second)
    answer = api.delete(PATH)
    assert (answer.status_code, answer.json()["detail"]) == (
        409, "The storage node 'second' has 1 images; delete them first.",
    )  # fmt: skip
    assert StorageNode.objects.count() == 2


def test_a_node_at_work_stays(api: Api, second: StorageNode) -> None:
    StorageNode.objects.update(observed_at=timezone.now())
    answer = api.delete(PATH)
    assert (answer.status_code, "is at work; stop it first" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize("name", ["nowhere", "%00", "..", "a" * 300])
def test_an_unknown_node_is_404(api: Api, second: StorageNode, name: str) -> None:
    assert api.delete(f"/api/v1/storage/{name}").status_code == 404
    assert StorageNode.objects.count() == 2


def test_who_may_only_read_removes_none(
    viewer: User, make_api: Callable[..., Api], second: StorageNode
) -> None:
    assert make_api(viewer).delete(PATH).status_code == 403
    assert StorageNode.objects.count() == 2
