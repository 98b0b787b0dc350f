"""Django admin: every model is there, and none of it goes round the services."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from bootflow.models import KernelSet
from bootflow.services import register_profile
from devices.models import Device
from images.models import Export, Image
from netboot_site.auth import token_digest
from netboot_site.models import ApiToken
from tests.browser.believable import fill

ROOMS = ["netboot_site", "devices", "images", "bootflow"]
MODELS = [model for room in ROOMS for model in apps.get_app_config(room).get_models()]
LOOK_ONLY = [
    "images.Image", "images.Export", "images.Session", "images.StorageNode", "bootflow.Boot",
    "bootflow.BootEvent", "bootflow.BootPlan", "bootflow.BootNetwork", "bootflow.LogPosition",
    "netboot_site.Heartbeat",
]  # fmt: skip


def address(label: str, page: str, *args: object) -> str:
    return reverse(f"admin:{label.lower().replace('.', '_')}_{page}", args=args)


@pytest.fixture
def lab(client: Client, db: None) -> Client:
    fill()
    client.force_login(User.objects.get(username="admin"))
    return client


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_every_model_has_a_list_that_can_be_searched_and_rows_that_open(lab: Client, model: type) -> None:
    label = model._meta.label  # type: ignore[attr-defined]
    assert admin.site.is_registered(model)
    assert lab.get(address(label, "changelist"), {"q": "lab"}).status_code in {200, 302}
    row = model.objects.first()  # type: ignore[attr-defined]
    if row is not None:
        assert lab.get(address(label, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("label", LOOK_ONLY)
def test_what_daemons_and_services_keep_can_only_be_looked_at(lab: Client, label: str) -> None:
    assert lab.get(address(label, "add")).status_code == 403
    row = apps.get_model(label).objects.first()  # type: ignore[attr-defined]
    if row is not None:
        assert lab.post(address(label, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert lab.post(address(label, "change", row.pk), {"name": "x"}).status_code == 403


@pytest.mark.parametrize("label", ["devices.Device", "images.Image", "bootflow.KernelSet", "bootflow.Boot"])
def test_nothing_is_deleted_in_bulk(lab: Client, label: str) -> None:
    rows = apps.get_model(label).objects  # type: ignore[attr-defined]
    keys = list(rows.values_list("pk", flat=True))
    lab.post(
        address(label, "changelist"),
        {"action": "delete_selected", "_selected_action": keys, "post": "yes"},
    )
    assert rows.count() == len(keys)


def test_a_device_is_not_deleted_here(lab: Client) -> None:
    device = Device.objects.get(name="lab1-01")
    assert lab.post(address("devices.Device", "delete", device.pk), {"post": "yes"}).status_code == 403


def test_a_device_is_renamed_and_keeps_its_identity(lab: Client) -> None:
    device = Device.objects.get(name="lab1-01")
    sent = {"name": "front-desk", "group": "", "mac": "52:54:00:99:99:99", "state": "disabled"}
    lab.post(address("devices.Device", "change", device.pk), sent)
    device.refresh_from_db()
    assert (device.name, device.group, device.state) == ("front-desk", None, "enrolled")
    assert device.mac != "52:54:00:99:99:99"


def test_a_bad_name_is_told_beside_the_field(lab: Client) -> None:
    device = Device.objects.get(name="lab1-01")
    answer = lab.post(address("devices.Device", "change", device.pk), {"name": "a${b}", "group": ""})
    assert b"cannot hold ${" in answer.content


def test_no_secret_is_shown(lab: Client) -> None:
    Export.objects.filter(device__name="lab1-01").update(chap_secret="Secret4711Secret")
    export = Export.objects.get(device__name="lab1-01")
    for path in (address("images.Export", "change", export.pk), address("images.Export", "changelist")):
        assert b"Secret4711Secret" not in lab.get(path).content


def test_a_token_is_shown_once_and_works(lab: Client) -> None:
    user = User.objects.get(username="admin")
    sent = {"user": user.pk, "name": "backup", "scope": "read"}
    page = lab.post(address("netboot_site.ApiToken", "add"), sent, follow=True).content.decode()
    text = page.split("The token is ")[1].split(" ")[0]
    token = ApiToken.objects.get()
    assert token.digest == token_digest(text)
    again = lab.get(address("netboot_site.ApiToken", "change", token.pk)).content.decode()
    assert text not in again
    assert token.digest not in again
    answer = Client().get("/api/v1/devices", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 200


def test_a_revoked_token_opens_nothing(lab: Client) -> None:
    user = User.objects.get(username="admin")
    sent = {"user": user.pk, "name": "backup", "scope": "read"}
    page = lab.post(address("netboot_site.ApiToken", "add"), sent, follow=True).content.decode()
    text = page.split("The token is ")[1].split(" ")[0]
    chosen = {"action": "revoke", "_selected_action": [ApiToken.objects.get().pk]}
    lab.post(address("netboot_site.ApiToken", "changelist"), chosen)
    answer = Client().get("/api/v1/devices", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 401


def test_the_default_kernel_set_is_not_deleted(lab: Client) -> None:
    answer = lab.post(address("bootflow.KernelSet", "delete", "default"), {"post": "yes"}, follow=True)
    assert b"is the default one and stays" in answer.content
    assert KernelSet.objects.filter(name="default").exists()


def test_a_kernel_set_is_checked_as_the_api_checks_it(lab: Client) -> None:
    sent = {"name": "evil", "kernel_url": "http://x/${net0}", "cmdline": ""}
    answer = lab.post(address("bootflow.KernelSet", "add"), sent, follow=True)
    assert b"holds no" in answer.content
    assert not KernelSet.objects.filter(name="evil").exists()


def test_the_default_passes_from_one_kernel_set_to_another(lab: Client) -> None:
    sent = {"kernel_url": "/boot/files/k", "cmdline": "quiet", "is_default": "on"}
    lab.post(address("bootflow.KernelSet", "change", "rpi-6.6"), sent)
    assert KernelSet.objects.get(is_default=True).name == "rpi-6.6"


def test_the_admin_has_no_sign_in_page_of_its_own(client: Client, db: None) -> None:
    assert client.get("/admin/", follow=True).redirect_chain[-1][0].startswith("/login/?next=%2Fadmin%2F")
    assert client.get("/admin/login/?next=/admin/")["Location"] == "/login/?next=/admin/"


def test_a_viewer_is_not_let_in(viewer_client: Client) -> None:
    register_profile(mac="52:54:00:00:00:01", device_type="x64", name="pc")
    assert viewer_client.get("/admin/").status_code in {302, 403}
    assert Image.objects.count() == 0
