"""Devices that asked to boot: listed, approved, dropped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from devices.models import Device, DeviceState, Group
from images.models import Export, Image, StorageNode
from tests.bootflow.conftest import MAC
from tests.conftest import Api

PATH = "/api/v1/unknown-devices"


@pytest.fixture
def stranger(db: None) -> Device:
    Client().get(f"/boot/script?mac={MAC}&arch=x86_64&platform=efi&serial=S1&product=Model%20One")
    return Device.objects.get()


def test_a_machine_that_asked_is_listed_with_what_it_told(api: Api, stranger: Device) -> None:
    (shown,) = api.get(PATH).json()
    assert (shown["mac"], shown["serial"], shown["device_type"]) == (MAC, "S1", "x64")
    assert shown["facts"]["product"] == "Model One"
    assert shown["first_seen_at"] is not None
    assert shown["last_seen_at"] is not None
    assert api.get("/api/v1/devices").json() == []


def test_approving_enrolls_it_under_the_name_it_told(api: Api, stranger: Device) -> None:
    answer = api.post(f"{PATH}/{MAC}/approve")
    assert answer.status_code == 200
    assert answer.json()["name"] == f"Model One {stranger.code}"
    assert answer.json()["enabled"] is True
    assert api.get(PATH).json() == []


def test_everything_may_be_said_at_once(api: Api, stranger: Device, node: StorageNode) -> None:
    Group.objects.create(name="Room 1")
    Image.objects.create(id="d", name="D", size_bytes=1, device_type="x86", node=node, state="ready")
    body = {"name": "pc-1", "device_type": "x86", "group": "Room 1", "image_id": "d"}
    shown = api.post(f"{PATH}/52-54-00-12-34-56/approve", body).json()
    assert {key: shown[key] for key in body} == body
    assert Export.objects.get().device.mac == MAC


@pytest.mark.parametrize(
    "body",
    [{"image_id": "none"}, {"group": "none"}, {"name": "a\nb"}, {"name": ""}, {"device_type": "toaster"}],
)
def test_what_cannot_be_leaves_it_unknown(api: Api, stranger: Device, body: dict[str, str]) -> None:
    assert api.post(f"{PATH}/{MAC}/approve", body).status_code == 422
    stranger.refresh_from_db()
    assert stranger.state == DeviceState.DISCOVERED


def test_an_enrolled_device_is_not_unknown(api: Api, device: Device) -> None:
    assert api.post(f"{PATH}/{MAC}/approve", {}).status_code == 404
    assert api.delete(f"{PATH}/{MAC}").status_code == 404
    assert Device.objects.exists()


def test_it_is_dropped_and_comes_back_when_it_asks_again(api: Api, stranger: Device) -> None:
    assert api.delete(f"{PATH}/{MAC}").status_code == 204
    assert not Device.objects.exists()
    Client().get(f"/api/v1/boot/check-in?mac={MAC}")
    assert Device.objects.get().state == DeviceState.DISCOVERED


def test_a_viewer_may_not_approve(viewer: User, make_api: Callable[..., Api], stranger: Device) -> None:
    client = make_api(viewer)
    assert client.get(PATH).status_code == 200
    assert client.post(f"{PATH}/{MAC}/approve", {}).status_code == 403
    assert client.delete(f"{PATH}/{MAC}").status_code == 403


def test_a_machine_that_told_of_strange_names_can_be_approved(api: Api, db: None) -> None:
    Client().get(f"/boot/script?mac={MAC}&product=%24%7Bnet0%2fip%7D%0a" + "x" * 190)
    assert api.post(f"{PATH}/{MAC}/approve").status_code == 200
