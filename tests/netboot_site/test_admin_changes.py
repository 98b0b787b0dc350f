"""Django admin: what is changed there goes through the services, and nobody is locked out."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from bootflow.models import KernelSet
from bootflow.services import register_profile
from devices.models import Device, DeviceState, Group
from netboot_site.auth import create_token, token_digest
from netboot_site.journal import changes_of
from netboot_site.models import ApiToken
from tests.netboot_site.test_admin import address

MAC = "52:54:00:00:00:01"


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss", password="correct horse")


@pytest.fixture
def client(client: Client, boss: User) -> Client:
    client.force_login(boss)
    return client


@pytest.fixture
def device(db: None) -> Device:
    return register_profile(mac=MAC, device_type="x64", name="pc")


@pytest.fixture
def operator(db: None) -> Client:
    """Staff, without one of Django's permissions."""
    client = Client()
    client.force_login(User.objects.create_user("operator", is_staff=True))
    return client


def test_an_operator_renames_a_device_which_keeps_its_identity(operator: Client, device: Device) -> None:
    sent = {"name": "front-desk", "group": "", "mac": "52:54:00:99:99:99", "state": "disabled"}
    assert operator.post(address("devices.Device", "change", device.pk), sent).status_code == 302
    device.refresh_from_db()
    assert (device.name, device.group, device.state, device.mac) == ("front-desk", None, "enrolled", MAC)
    assert changes_of("device", MAC)[0].person == "operator"


def test_a_bad_name_is_told_beside_the_field(client: Client, device: Device) -> None:
    answer = client.post(address("devices.Device", "change", device.pk), {"name": "a${b}", "group": ""})
    assert b"cannot hold ${" in answer.content


def test_a_device_is_not_deleted_here_and_one_that_waits_is_not_changed(
    client: Client, device: Device
) -> None:
    assert client.post(address("devices.Device", "delete", device.pk), {"post": "yes"}).status_code == 403
    Device.objects.update(state=DeviceState.DISCOVERED)
    assert client.post(address("devices.Device", "change", device.pk), {"name": "x"}).status_code == 403
    assert client.get(address("devices.Device", "change", device.pk)).status_code == 200


def test_a_group_is_made_renamed_and_deleted_through_its_services(client: Client) -> None:
    client.post(address("devices.Group", "add"), {"name": "Lab 1", "channel": "test"})
    group = Group.objects.get()
    assert (group.name, group.channel) == ("Lab 1", "test")
    client.post(address("devices.Group", "change", group.pk), {"name": "Lab 2", "channel": ""})
    group.refresh_from_db()
    assert (group.name, group.channel) == ("Lab 2", "")
    assert "Renamed from Lab 1" in [change.text for change in changes_of("group", "Lab 2")]
    client.post(address("devices.Group", "delete", group.pk), {"post": "yes"})
    assert not Group.objects.exists()


def test_a_refusal_stands_in_the_form_and_what_was_typed_is_kept(client: Client) -> None:
    sent = {"name": "evil", "kernel_url": "http://x/${net0}", "cmdline": "quiet splash"}
    page = client.post(address("bootflow.KernelSet", "add"), sent).content.decode()
    assert "holds no" in page
    assert "quiet splash" in page
    assert not KernelSet.objects.filter(name="evil").exists()


def test_the_default_kernel_set_is_not_deleted(client: Client) -> None:
    answer = client.post(address("bootflow.KernelSet", "delete", "default"), {"post": "yes"}, follow=True)
    assert b"is the default one and stays" in answer.content
    assert KernelSet.objects.filter(name="default").exists()


def test_the_default_passes_from_one_kernel_set_to_another(client: Client) -> None:
    KernelSet.objects.create(name="rpi-6.6")
    sent = {"kernel_url": "/boot/files/k", "cmdline": "quiet", "is_default": "on"}
    client.post(address("bootflow.KernelSet", "change", "rpi-6.6"), sent)
    assert KernelSet.objects.get(is_default=True).name == "rpi-6.6"


def make_token(client: Client, boss: User) -> str:
    sent = {"user": boss.pk, "name": "backup", "scope": "read"}
    page = client.post(address("netboot_site.ApiToken", "add"), sent, follow=True).content.decode()
    return page.split("The token is ")[1].split(" ")[0]


def status_with(text: str) -> int:
    return Client().get("/api/v1/devices", headers={"Authorization": f"Bearer {text}"}).status_code


def test_a_token_is_shown_once_works_and_is_revoked(client: Client, boss: User) -> None:
    text = make_token(client, boss)
    token = ApiToken.objects.get()
    assert token.digest == token_digest(text)
    again = client.get(address("netboot_site.ApiToken", "change", token.pk)).content.decode()
    assert text not in again
    assert token.digest not in again
    assert status_with(text) == 200
    chosen = {"action": "revoke", "_selected_action": [token.pk]}
    client.post(address("netboot_site.ApiToken", "changelist"), chosen)
    assert status_with(text) == 401


def account(user: User, **changes: Any) -> dict[str, Any]:
    sent = {"username": user.username, "is_active": "on", "is_staff": "on", "is_superuser": "on", **changes}
    return {name: value for name, value in sent.items() if value}


@pytest.mark.parametrize("right", ["is_active", "is_staff", "is_superuser"])
def test_the_last_superuser_stays_one(client: Client, boss: User, right: str) -> None:
    path = address("auth.User", "change", boss.pk)
    assert b"one has to stay" in client.post(path, account(boss, **{right: ""})).content
    boss.refresh_from_db()
    assert getattr(boss, right)
    User.objects.create_superuser("second", password="correct horse")
    assert client.post(path, account(boss, **{right: ""})).status_code == 302
    boss.refresh_from_db()
    assert not getattr(boss, right)


def test_the_last_superuser_is_not_deleted_and_keeps_a_password(client: Client, boss: User) -> None:
    assert client.post(address("auth.User", "delete", boss.pk), {"post": "yes"}).status_code == 403
    sent = {"usable_password": "false", "unset-password": "1"}
    answer = client.post(f"/admin/auth/user/{boss.pk}/password/", sent)
    assert b"one has to stay" in answer.content
    boss.refresh_from_db()
    assert boss.has_usable_password()


def test_another_account_is_deleted_with_its_tokens(client: Client) -> None:
    user = User.objects.create_user("teacher")
    create_token(user=user, name="backup", scope="read")
    client.post(address("auth.User", "delete", user.pk), {"post": "yes"})
    assert not User.objects.filter(username="teacher").exists()
    assert not ApiToken.objects.exists()


def test_no_permission_lets_an_operator_manage_accounts(operator: Client, boss: User) -> None:
    user = User.objects.get(username="operator")
    user.user_permissions.set(Permission.objects.all())
    path = address("auth.User", "change", user.pk)
    assert operator.post(path, account(user)).status_code == 403
    user.refresh_from_db()
    assert not user.is_superuser
