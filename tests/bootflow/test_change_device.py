"""PUT, PATCH and DELETE of a device, and its next boot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from bootflow.models import Installer, KernelSet
from bootflow.services import spend_boot_once
from devices.models import Device
from images.models import Export, Image, Session, StorageNode
from tests.bootflow.conftest import MAC, make_disk
from tests.conftest import Api

PATH = f"/api/v1/devices/{MAC}"
WHOLE: dict[str, Any] = {"device_type": "x64", "name": "pc-08"}


@pytest.fixture
def second_image(node: StorageNode) -> Image:
    return make_disk(node, "disk-2")


def use(export: Export) -> None:
    Session.objects.create(
        iqn=export.iqn, handle="1", image=export.image, initiator_name=export.initiator_name,
        started_at=timezone.now(),
    )  # fmt: skip


def test_put_takes_the_whole_and_the_rest_gets_its_default(
    api: Api, device: Device, give_disk: Callable[..., Export]
) -> None:
    give_disk(device)
    answer = api.put(PATH, {**WHOLE, "enabled": False})
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["name"], shown["enabled"], shown["image_id"]) == ("pc-08", False, None)
    assert not Export.objects.exists()


def test_put_needs_the_whole(api: Api, device: Device) -> None:
    assert api.put(PATH, {"name": "pc-08"}).status_code == 422


def test_put_may_name_the_same_address_and_no_other(api: Api, device: Device) -> None:
    assert api.put(PATH, {**WHOLE, "mac": MAC.upper()}).status_code == 200
    assert api.put(PATH, {**WHOLE, "mac": "52:54:00:00:00:99"}).status_code == 422


@pytest.mark.parametrize("spelling", [MAC.upper(), "525400123456", "5254.0012.3456", "52-54-00-12-34-56"])
def test_the_address_in_the_path_has_any_spelling(api: Api, device: Device, spelling: str) -> None:
    assert api.patch(f"/api/v1/devices/{spelling}", {"name": "new"}).json()["name"] == "new"


def test_patch_changes_a_part(api: Api, device: Device, give_disk: Callable[..., Export]) -> None:
    give_disk(device)
    shown = api.patch(PATH, {"enabled": False}).json()
    assert (shown["name"], shown["enabled"], shown["image_id"], shown["state"]) == (
        "pc-07", False, "disk-1", "disabled",
    )  # fmt: skip


def test_another_disk_takes_the_place_of_the_first(
    api: Api, device: Device, give_disk: Callable[..., Export], second_image: Image
) -> None:
    give_disk(device)
    assert api.patch(PATH, {"image_id": "disk-2"}).json()["image_id"] == "disk-2"
    assert api.patch(PATH, {"image_id": None}).json()["image_id"] is None


def test_a_disk_in_use_stays(
    api: Api, device: Device, give_disk: Callable[..., Export], second_image: Image
) -> None:
    use(give_disk(device))
    for body in ({"image_id": None}, {"image_id": "disk-2"}):
        assert api.patch(PATH, body).status_code == 409
    assert api.put(PATH, WHOLE).status_code == 409
    device.refresh_from_db()
    assert (device.name, Export.objects.get().image_id) == ("pc-07", "disk-1")


def test_a_failed_change_changes_nothing(api: Api, device: Device) -> None:
    assert api.patch(PATH, {"name": "new", "kernel_set": "none"}).status_code == 422
    assert api.patch(PATH, {"name": "new", "image_id": "none"}).status_code == 422
    device.refresh_from_db()
    assert device.name == "pc-07"


def test_the_type_of_a_device_with_a_disk_stays(
    api: Api, device: Device, give_disk: Callable[..., Export]
) -> None:
    give_disk(device)
    assert api.patch(PATH, {"device_type": "raspi"}).status_code == 409
    assert api.patch(PATH, {"device_type": "x64"}).status_code == 200


@pytest.mark.parametrize("field", ["name", "device_type", "enabled", "kernel_set"])
def test_what_must_have_a_value_cannot_be_null(api: Api, device: Device, field: str) -> None:
    assert api.patch(PATH, {field: None}).status_code == 422


def test_deleting_frees_the_disk(api: Api, device: Device, give_disk: Callable[..., Export]) -> None:
    give_disk(device)
    assert api.delete(PATH).status_code == 204
    assert api.get(PATH).status_code == 404
    assert not Export.objects.exists()
    assert Image.objects.exists()


def test_deleting_is_refused_while_the_disk_is_in_use(
    api: Api, device: Device, give_disk: Callable[..., Export]
) -> None:
    use(give_disk(device))
    answer = api.delete(PATH)
    assert answer.status_code == 409
    assert "in use" in answer.json()["detail"]
    assert Device.objects.exists()


@pytest.mark.parametrize("method", ["get", "delete"])
def test_an_unknown_address_is_404_and_no_address_is_422(api: Api, method: str) -> None:
    assert getattr(api, method)(PATH).status_code == 404
    assert getattr(api, method)("/api/v1/devices/hello").status_code == 422
    assert getattr(api, method)("/api/v1/devices/%00").status_code == 422


def test_a_viewer_only_looks(viewer: User, make_api: Callable[..., Api], device: Device) -> None:
    client = make_api(viewer)
    assert client.get(PATH).status_code == 200
    for answer in (client.put(PATH, WHOLE), client.patch(PATH, {}), client.delete(PATH)):
        assert answer.status_code == 403


def test_the_next_boot_may_differ_and_is_spent(api: Api, device: Device, installer: Installer) -> None:
    answer = api.put(f"{PATH}/boot-once", {"action": "installer", "installer": "debian-12"})
    assert (answer.json()["boot_once"], answer.json()["boot_once_installer"]) == ("installer", "debian-12")
    spend_boot_once(mac=MAC)
    assert api.get(PATH).json()["boot_once"] is None
    assert api.get(PATH).json()["kernel_set"] == "default"


@pytest.mark.parametrize("action", ["local", "menu", None])
def test_the_next_boot_is_set_and_taken_back(api: Api, device: Device, action: str | None) -> None:
    assert api.put(f"{PATH}/boot-once", {"action": action}).json()["boot_once"] == action


@pytest.mark.parametrize(
    ("body", "status"),
    [({"action": "installer"}, 422), ({"action": "installer", "installer": "none"}, 422),
     ({"action": "installer", "installer": "pi"}, 409), ({"action": "dance"}, 422), ({}, 422)],
)  # fmt: skip
def test_a_next_boot_that_cannot_be_is_refused(
    api: Api, device: Device, body: dict[str, str], status: int
) -> None:
    Installer.objects.create(name="pi", path="pi", kernel="k", device_type="raspi")
    assert api.put(f"{PATH}/boot-once", body).status_code == status


def test_a_kernel_set_is_chosen(api: Api, device: Device) -> None:
    KernelSet.objects.create(name="new")
    assert api.patch(PATH, {"kernel_set": "new"}).json()["kernel_set"] == "new"
