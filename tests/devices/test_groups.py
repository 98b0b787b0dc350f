"""Groups over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from devices.models import Device, Group
from tests.conftest import Api

PATH = "/api/v1/groups"


def test_one_is_created_found_by_name_or_number_and_deleted(api: Api) -> None:
    created = api.post(PATH, {"name": "Room 1"})
    assert created.status_code == 201
    group = created.json()
    assert (group["name"], group["device_count"]) == ("Room 1", 0)
    assert api.get(PATH).json() == [group]
    for key in (group["id"], "Room%201"):
        assert api.get(f"{PATH}/{key}").json() == group
    assert api.delete(f"{PATH}/{group['id']}").status_code == 204
    assert not Group.objects.exists()


def test_its_devices_are_counted_and_stay(api: Api) -> None:
    room = Group.objects.create(name="Room 1")
    Device.objects.create(mac="52:54:00:00:00:01", device_type="x64", name="pc", group=room)
    assert api.get(PATH).json()[0]["device_count"] == 1
    assert api.delete(f"{PATH}/{room.pk}").status_code == 204
    assert Device.objects.get().group is None


def test_a_taken_name_is_refused(api: Api) -> None:
    Group.objects.create(name="Room 1")
    assert api.post(PATH, {"name": " Room 1 "}).status_code == 409


@pytest.mark.parametrize("name", ["", " ", "a\nb", "${x}", "\0", "x" * 201, None, 1e30])
def test_a_name_that_cannot_be_right_is_refused(api: Api, name: Any) -> None:
    assert api.post(PATH, {"name": name}).status_code == 422


@pytest.mark.parametrize("key", ["0", "99", "none", "%00", "9" * 30, "²"])
def test_an_unknown_group_is_404(api: Api, key: str) -> None:
    assert api.get(f"{PATH}/{key}").status_code == 404
    assert api.delete(f"{PATH}/{key}").status_code == 404


def test_a_viewer_only_looks(viewer: User, make_api: Callable[..., Api]) -> None:
    client = make_api(viewer)
    assert client.get(PATH).status_code == 200
    assert client.post(PATH, {"name": "x"}).status_code == 403
