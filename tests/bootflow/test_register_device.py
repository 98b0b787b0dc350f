"""POST /devices: registering what boots what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from devices.models import Device, DeviceState, Group
from images.models import Image, StorageNode
from tests.bootflow.conftest import MAC
from tests.conftest import Api

PATH = "/api/v1/devices"
BODY: dict[str, Any] = {"mac": MAC, "device_type": "x64", "name": "pc-07"}


@pytest.fixture
def image(node: StorageNode) -> Image:
    return Image.objects.create(
        id="disk-1", name="Disk", size_bytes=2**30, device_type="x64", node=node, state="ready"
    )


def test_an_operator_registers_a_device(api: Api) -> None:
    answer = api.post(PATH, {**BODY, "mac": "52-54-00-12-34-56"})
    assert answer.status_code == 201
    device = answer.json()
    assert {
        key: device[key] for key in ("mac", "device_type", "name", "enabled", "image_id", "kernel_set")
    } == {
        "mac": MAC,
        "device_type": "x64",
        "name": "pc-07",
        "enabled": True,
        "image_id": None,
        "kernel_set": "default",
    }
    assert {"created_at", "updated_at", "code", "group", "state"} <= set(device)


def test_a_viewer_may_not(viewer: User, make_api: Callable[..., Api]) -> None:
    assert make_api(viewer).post(PATH, BODY).status_code == 403
    assert not Device.objects.exists()


def test_a_stranger_may_not(db: None) -> None:
    assert Api("wrong").post(PATH, BODY).status_code == 401


def test_a_taken_address_in_another_spelling_is_refused(api: Api, device: Device) -> None:
    answer = api.post(PATH, {**BODY, "mac": MAC.replace(":", "").upper()})
    assert answer.status_code == 409
    assert MAC in answer.json()["detail"]


def test_a_discovered_device_is_enrolled_by_registering_it(api: Api) -> None:
    Device.objects.create(mac=MAC, device_type="x86", state=DeviceState.DISCOVERED, facts={"product": "X"})
    assert api.post(PATH, BODY).status_code == 201
    device = Device.objects.get()
    assert (device.state, device.device_type, device.facts) == (DeviceState.ENROLLED, "x64", {"product": "X"})


def test_it_gets_its_disk_at_once(api: Api, image: Image) -> None:
    assert api.post(PATH, {**BODY, "image_id": "disk-1"}).json()["image_id"] == "disk-1"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [("image_id", "none", "image 'none'"), ("kernel_set", "none", "kernel set named 'none'"),
     ("group", "none", "group named 'none'")],
)  # fmt: skip
def test_what_the_body_names_must_exist(api: Api, field: str, value: str, said: str) -> None:
    answer = api.post(PATH, {**BODY, field: value})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert not Device.objects.exists()


def test_a_group_is_given_by_its_name(api: Api) -> None:
    Group.objects.create(name="Room 1")
    assert api.post(PATH, {**BODY, "group": "Room 1"}).json()["group"] == "Room 1"


@pytest.mark.parametrize(
    "bad",
    [{"mac": "hello"}, {"mac": "01:00:5e:00:00:01"}, {"mac": "\0"}, {"mac": None}, {"name": ""},
     {"name": "a\nb"}, {"name": "${net0/ip}"}, {"name": "a\0b"}, {"name": "x" * 201}, {"name": 1e30},
     {"name": "\ud800"}, {"device_type": "toaster"}, {"enabled": 1e30}, {"image_id": "a\0"},
     {"kernel_set": "\0"}, {"group": "\0"}, {"image_id": 10**40}],
)  # fmt: skip
def test_what_cannot_be_right_is_refused(api: Api, bad: dict[str, Any]) -> None:
    assert api.post(PATH, {**BODY, **bad}).status_code == 422
    assert not Device.objects.exists()
