"""Every form of a device's page with values that cannot be: told beside the field, and nothing is changed."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bootflow.models import BootPlan, Installer
from devices.models import Device, DeviceState, Group
from images.models import Export, Image
from images.services import create_image, register_node
from netboot_site.formats import GIB
from tests.bootflow.conftest import MAC

NEW = "52:54:00:00:00:77"
REGISTER = {"mac": NEW, "name": "pc-new", "device_type": "x64", "group": "", "image": ""}
EDIT = {"name": "pc-two", "device_type": "x64", "group": "", "kernel_set": "default"}

# form: which page, a good form, the field that is wrong, its value, and what stands beside it
WRONG: dict[str, tuple[str, dict[str, str], str, str, str]] = {
    "no address": ("new", REGISTER, "mac", "", "required"),
    "nonsense address": ("new", REGISTER, "mac", "hello", "This is no MAC address"),
    "multicast address": ("new", REGISTER, "mac", "01:00:5e:00:00:01", "multicast"),
    "zero address": ("new", REGISTER, "mac", "0" * 12, "all zeros"),
    "long address": ("new", REGISTER, "mac", "5" * 65, "at most 64 characters"),
    "no name": ("new", REGISTER, "name", "   ", "required"),
    "a name of two lines": ("new", REGISTER, "name", "a\nb", "control characters"),
    "a long name": ("new", REGISTER, "name", "x" * 201, "at most 200 characters"),
    "a long group": ("new", REGISTER, "group", "x" * 101, "at most 100 characters"),
    "no type": ("new", REGISTER, "device_type", "", "required"),
    "no such image": ("new", REGISTER, "image", "none", "not one of the available choices"),
    "edit: no name": ("edit", EDIT, "name", "", "required"),
    "edit: what scripts expand": ("edit", EDIT, "name", "${x}", "cannot hold"),
    "edit: no such type": ("edit", EDIT, "device_type", "toaster", "not one of the available choices"),
    "edit: no such kernel set": ("edit", EDIT, "kernel_set", "none", "not one of the available choices"),
    "next boot: no such": ("boot-once", {}, "choice", "dance", "not one of the available choices"),
    "next boot: no such installer": (
        "boot-once", {}, "choice", "installer:none", "not one of the available choices",
    ),
    "next boot: another type's": (
        "boot-once", {}, "choice", "installer:pi", "not one of the available choices",
    ),
    "assign: nothing": ("assign", {}, "image", "", "required"),
    "assign: no such": ("assign", {}, "image", "none", "not one of the available choices"),
    "assign: another type's": ("assign", {}, "image", "pi", "is for raspi"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def rows(device: Device) -> None:
    register_node(name="local", portal_address="10.66.0.1", portal_port=3260)
    create_image(image_id="pi", name="Pi", size_bytes=GIB, device_type="raspi")
    create_image(image_id="debian", name="Debian", size_bytes=GIB, device_type="x64")
    Installer.objects.create(name="pi", path="pi", kernel="k", device_type="raspi")


def state() -> list[object]:
    """All that a form of a device may change."""
    return [
        list(Device.objects.order_by("pk").values_list("mac", "name", "device_type", "state", "group")),
        list(BootPlan.objects.values_list("boot_once", "boot_once_installer", "kernel_set")),
        list(Export.objects.values_list("image", "device")), Group.objects.count(), Image.objects.count(),
    ]  # fmt: skip


def address(page: str, mac: str = MAC) -> str:
    return "/devices/new/" if page == "new" else f"/devices/{mac}/{page}/"


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_told_beside_its_field_and_changes_nothing(
    operator_client: Client, name: str
) -> None:
    page, good, field, value, said = WRONG[name]
    before = state()
    answer = operator_client.post(address(page), {**good, field: value})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert f'id="id_{field}_error"' in text, "no error stands beside the field"
    assert said in text.split(f'id="id_{field}_error"')[1].split("</div>")[0]
    assert state() == before


@pytest.mark.parametrize("name", WRONG)
def test_a_viewer_is_refused_before_a_form_is_even_read(viewer_client: Client, name: str) -> None:
    page, good, field, value, _ = WRONG[name]
    before = state()
    assert viewer_client.post(address(page), {**good, field: value}).status_code == 403
    assert viewer_client.post(address(page), good).status_code == 403
    assert state() == before


PAGES = ["edit", "enable", "boot-once", "assign", "unassign", "delete", "approve", "forget"]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("mac", [NEW, "hello", "01:00:5e:00:00:01", "%00", "x" * 300])
def test_a_device_that_is_not_there_is_404(operator_client: Client, page: str, mac: str) -> None:
    before = state()
    answer = operator_client.post(address(page, mac), {**REGISTER, **EDIT, "enabled": "0", "image": "debian"})
    assert answer.status_code == 404
    assert b"<html" in answer.content
    assert state() == before


@pytest.mark.parametrize("page", PAGES[:6])
def test_an_unknown_machine_has_only_the_forms_of_one(operator_client: Client, page: str) -> None:
    Device.objects.create(mac=NEW, device_type="x64", state=DeviceState.DISCOVERED)
    before = state()
    assert operator_client.post(address(page, NEW), {**EDIT, "image": "debian"}).status_code == 404
    assert state() == before


@pytest.mark.parametrize("page", [*PAGES, "new"])
def test_who_is_not_signed_in_is_sent_to_the_login(client: Client, page: str) -> None:
    before = state()
    answer = client.post(address(page), {**EDIT, "enabled": "0"})
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/login/")
    assert state() == before


def test_each_form_with_good_values_changes_what_it_says(operator_client: Client, operator: User) -> None:
    for page, form in (
        ("edit", {**EDIT, "group": "Lab"}), ("assign", {"image": "debian"}),
        ("boot-once", {"choice": "menu"}), ("enable", {"enabled": "0"}),
    ):  # fmt: skip
        assert operator_client.post(address(page), form).status_code == 302, page
    device = Device.objects.get(mac=MAC)
    assert (device.name, str(device.group), device.state) == ("pc-two", "Lab", DeviceState.DISABLED)
    assert (Export.objects.get().image_id, BootPlan.objects.get(device=device).boot_once) == (
        "debian",
        "menu",
    )


def test_taking_a_disk_that_is_not_there_is_no_error(operator_client: Client) -> None:
    answer = operator_client.post(address("unassign"), follow=True)
    assert answer.status_code == 200
    assert b"has no disk any more" in answer.content
