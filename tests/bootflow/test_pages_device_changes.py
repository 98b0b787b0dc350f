"""What an operator does to devices in the browser."""

from __future__ import annotations

import pytest
from django.test import Client

from bootflow.models import BootPlan, Installer
from bootflow.services import register_profile
from devices.models import Device, DeviceState, Group
from images.models import Export, Image, Session
from images.services import create_image, register_node
from netboot_site.formats import GIB

MAC = "52:54:00:ab:cd:01"


@pytest.fixture
def image(db: None) -> Image:
    register_node(name="local", portal_address="10.66.0.1", portal_port=3260)
    return create_image(image_id="debian", name="Debian", size_bytes=GIB, device_type="x64")


@pytest.fixture
def unknown(db: None) -> Device:
    return Device.objects.create(mac=MAC, device_type="x64", state=DeviceState.DISCOVERED)


@pytest.fixture
def device(db: None) -> Device:
    return register_profile(mac=MAC, device_type="x64", name="pc-one")


def fields(**changes: str) -> dict[str, str]:
    return {"name": "lab1-01", "device_type": "x64", "group": "Lab 1", "image": "", **changes}


def test_approving_gives_a_name_a_group_and_a_disk(
    operator_client: Client, unknown: Device, image: Image
) -> None:
    answer = operator_client.post(f"/devices/{MAC}/approve/", fields(image="debian"))
    assert answer["Location"] == "/"
    unknown.refresh_from_db()
    assert (unknown.state, unknown.name) == (DeviceState.ENROLLED, "lab1-01")
    assert unknown.group == Group.objects.get(name="Lab 1")
    assert Export.objects.get().device == unknown


def test_approving_in_the_dialog_closes_it_and_does_not_leave_the_page(
    operator_client: Client, unknown: Device
) -> None:
    answer = operator_client.post(f"/devices/{MAC}/approve/", fields(), headers={"HX-Request": "true"})
    assert answer.status_code == 204
    assert "lab1-01 is approved" in answer["HX-Trigger"]


def test_the_dialog_is_a_fragment_and_the_page_a_page(operator_client: Client, unknown: Device) -> None:
    path = f"/devices/{MAC}/approve/"
    assert b"<html" in operator_client.get(path).content
    fragment = operator_client.get(path, headers={"HX-Request": "true"}).content
    assert b"<html" not in fragment
    assert unknown.code.encode() in fragment


@pytest.mark.parametrize(
    ("change", "field", "told"),
    [({"name": ""}, "name", "required"), ({"name": "a${b}"}, "name", "cannot hold"),
     ({"device_type": "mainframe"}, "device_type", "valid choice"),
     ({"image": "no-such"}, "image", "valid choice")],
)  # fmt: skip
def test_a_wrong_field_is_told_beside_it_and_the_rest_is_kept(
    operator_client: Client, unknown: Device, change: dict[str, str], field: str, told: str
) -> None:
    sent = fields(**change)
    answer = operator_client.post(f"/devices/{MAC}/approve/", sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert (
        told
        in page.split(f'id="id_{field}"')[1].split("</div>")[0]
        + page.split(f'id="id_{field}_error"')[1][:200]
    )
    assert 'value="Lab 1"' in page
    unknown.refresh_from_db()
    assert unknown.state == DeviceState.DISCOVERED


def test_a_disk_taken_meanwhile_is_refused_and_nothing_is_half_done(
    operator_client: Client, unknown: Device, image: Image
) -> None:
    create_image(image_id="pi", name="Pi", size_bytes=GIB, device_type="raspi")
    answer = operator_client.post(f"/devices/{MAC}/approve/", fields(image="pi"))
    assert answer.status_code == 422
    assert b"is for raspi" in answer.content
    unknown.refresh_from_db()
    assert unknown.state == DeviceState.DISCOVERED


def test_a_device_that_is_known_cannot_be_approved_again(operator_client: Client, device: Device) -> None:
    assert operator_client.post(f"/devices/{MAC}/approve/", fields()).status_code == 404


def test_forgetting_drops_an_unknown_device(operator_client: Client, unknown: Device) -> None:
    operator_client.post(f"/devices/{MAC}/forget/")
    assert not Device.objects.exists()


def test_registering_takes_any_spelling_of_the_address(operator_client: Client, db: None) -> None:
    answer = operator_client.post("/devices/new/", fields(mac="52-54-00-AB-CD-01"))
    assert answer["Location"] == f"/devices/{MAC}/"
    assert Device.objects.get().name == "lab1-01"


def test_registering_a_known_address_is_refused_in_words(operator_client: Client, device: Device) -> None:
    answer = operator_client.post("/devices/new/", fields(mac=MAC))
    assert answer.status_code == 422
    assert b"registered already" in answer.content


def test_editing_changes_name_group_and_kernel_set(operator_client: Client, device: Device) -> None:
    sent = {"name": "pc-two", "device_type": "x64", "group": "", "kernel_set": "default"}
    operator_client.post(f"/devices/{MAC}/edit/", sent)
    device.refresh_from_db()
    assert device.name == "pc-two"


def test_a_refused_edit_keeps_what_was_typed(operator_client: Client, device: Device) -> None:
    sent = {"name": "b\x1bad", "device_type": "x64", "group": "Lab 9", "kernel_set": "default"}
    answer = operator_client.post(f"/devices/{MAC}/edit/", sent)
    assert answer.status_code == 422
    assert b'value="Lab 9"' in answer.content


def test_a_device_is_disabled_and_enabled(operator_client: Client, device: Device) -> None:
    operator_client.post(f"/devices/{MAC}/enable/", {"enabled": "0"})
    device.refresh_from_db()
    assert device.state == DeviceState.DISABLED
    operator_client.post(f"/devices/{MAC}/enable/", {"enabled": "1"})
    device.refresh_from_db()
    assert device.state == DeviceState.ENROLLED


def test_a_disk_is_assigned_and_taken_back(operator_client: Client, device: Device, image: Image) -> None:
    operator_client.post(f"/devices/{MAC}/assign/", {"image": "debian"})
    assert Export.objects.get().device == device
    operator_client.post(f"/devices/{MAC}/unassign/")
    assert not Export.objects.exists()


def test_a_disk_in_use_is_not_taken_and_the_page_says_by_whom(
    operator_client: Client, device: Device, image: Image
) -> None:
    operator_client.post(f"/devices/{MAC}/assign/", {"image": "debian"})
    export = Export.objects.get()
    Session.objects.create(
        iqn=export.iqn, handle="1", image=image, initiator_name=export.initiator_name,
        started_at=export.created_at,
    )  # fmt: skip
    for action in ("unassign", "delete"):
        answer = operator_client.post(f"/devices/{MAC}/{action}/", follow=True)
        assert b"in use by pc-one" in answer.content, action
    assert Export.objects.exists()


def test_the_next_boot_can_be_an_installer(operator_client: Client, device: Device) -> None:
    Installer.objects.create(name="deb", path="deb", kernel="linux", device_type="x64")
    operator_client.post(f"/devices/{MAC}/boot-once/", {"choice": "installer:deb"})
    assert BootPlan.objects.get().boot_once_installer_id == "deb"
    operator_client.post(f"/devices/{MAC}/boot-once/", {"choice": ""})
    assert BootPlan.objects.get().boot_once == ""


def test_deleting_forgets_the_device_and_keeps_its_image(
    operator_client: Client, device: Device, image: Image
) -> None:
    operator_client.post(f"/devices/{MAC}/assign/", {"image": "debian"})
    answer = operator_client.post(f"/devices/{MAC}/delete/")
    assert answer["Location"] == "/devices/"
    assert not Device.objects.exists()
    assert Image.objects.exists()


CHANGES = ["edit", "enable", "boot-once", "assign", "unassign", "delete"]


@pytest.mark.parametrize("change", CHANGES)
def test_a_viewer_changes_nothing(viewer_client: Client, device: Device, change: str) -> None:
    answer = viewer_client.post(f"/devices/{MAC}/{change}/", {"enabled": "0", **fields()})
    assert answer.status_code == 403
    device.refresh_from_db()
    assert (device.state, device.name) == (DeviceState.ENROLLED, "pc-one")


@pytest.mark.parametrize("path", [f"/devices/{MAC}/approve/", f"/devices/{MAC}/forget/", "/devices/new/"])
def test_a_viewer_admits_nobody(viewer_client: Client, unknown: Device, path: str) -> None:
    assert viewer_client.post(path, fields(mac="52:54:00:00:00:09")).status_code == 403
    assert Device.objects.get().state == DeviceState.DISCOVERED


def test_a_viewer_sees_no_button_that_would_be_refused(viewer_client: Client, device: Device) -> None:
    Device.objects.create(mac="52:54:00:00:00:09", device_type="x64", state=DeviceState.DISCOVERED)
    for path in ("/", "/devices/", f"/devices/{MAC}/", "/images/"):
        page = viewer_client.get(path).content.decode()
        assert page.count('method="post"') == 1, f"{path} has more forms than the one that signs out"
        assert "/approve/" not in page, path


@pytest.mark.parametrize("change", [*CHANGES, "forget"])
def test_nothing_changes_by_following_a_link(operator_client: Client, device: Device, change: str) -> None:
    assert operator_client.get(f"/devices/{MAC}/{change}/").status_code == 405


def test_a_form_of_another_site_is_refused(operator: object, device: Device) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator)  # type: ignore[arg-type]
    answer = strict.post(f"/devices/{MAC}/delete/")
    assert answer.status_code == 403
    assert b"expired" in answer.content
    assert Device.objects.exists()
