"""Pages of installers, and of the addresses that are Raspberry Pis'."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from bootflow.models import Installer, PiMacPrefix
from bootflow.services import set_boot_once
from devices.models import Device
from devices.services import register_device
from netboot_site.journal import changes_of
from tests.conftest import Api

PAGE = "/installers/debian-12/"
HTMX = {"HX-Request": "true"}


def fields(**changes: str) -> dict[str, str]:
    return {
        "name": "debian-12", "device_type": "x64", "path": "debian/12", "kernel": "linux",
        "initrd": "initrd.gz", "kernel_cmdline": "auto=true", **changes,
    }  # fmt: skip


WRONG = [
    ("name", ""), ("name", "a b"), ("name", "../x"), ("name", "x" * 101), ("name", "<script>"),
    ("device_type", "mac"), ("device_type", ""),
    ("path", ""), ("path", "/etc"), ("path", "a/../b"), ("path", "x" * 301), ("path", "a${b}"),
    ("kernel", ""), ("kernel", "/boot/linux"), ("kernel", "..\\linux"), ("kernel", "x" * 301),
    ("initrd", "/initrd"), ("initrd", "../initrd"), ("initrd", "x" * 301),
    ("kernel_cmdline", "a\nb"), ("kernel_cmdline", "${net0}"), ("kernel_cmdline", "a && b"),
    ("kernel_cmdline", "ü"), ("kernel_cmdline", "x" * 2001),
]  # fmt: skip


@pytest.fixture
def installer(db: None) -> Installer:
    return Installer.objects.create(**fields())


def test_one_is_made_changed_and_deleted(operator_client: Client) -> None:
    assert operator_client.post("/installers/_new/", fields())["Location"] == PAGE
    assert operator_client.post(f"{PAGE}edit/", fields(kernel="vmlinuz"))["Location"] == PAGE
    assert Installer.objects.get().kernel == "vmlinuz"
    assert "Kernel changed from linux to vmlinuz" in operator_client.get(PAGE).content.decode()
    assert operator_client.post(f"{PAGE}delete/")["Location"] == "/installers/"
    told = [change.text for change in changes_of("installer", "debian-12")]
    assert told == ["Deleted", "Kernel changed from linux to vmlinuz", "Created"]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=str)
def test_what_is_wrong_is_told_beside_its_field(
    operator_client: Client, installer: Installer, field: str, value: str
) -> None:
    for path in ("/installers/_new/", f"{PAGE}edit/"):
        if path != "/installers/_new/" and field == "name":
            continue
        answer = operator_client.post(path, {**fields(name="other"), field: value})
        page = answer.content.decode()
        assert answer.status_code == 422, (path, page)
        assert f'id="id_{field}_error"' in page, path
        assert "linux" in page, "the other input is kept"
    assert Installer.objects.get().kernel == "linux"


def test_a_taken_name_is_told_beside_the_name(operator_client: Client, installer: Installer) -> None:
    answer = operator_client.post("/installers/_new/", fields(kernel="other"), headers=HTMX)
    assert (answer.status_code, 'id="id_name_error"' in answer.content.decode()) == (422, True)


def test_the_devices_that_start_it_next_are_named(
    api: Api, viewer_client: Client, operator_client: Client, installer: Installer
) -> None:
    device = register_device(mac="52:54:00:00:00:01", device_type="x64", name='<b>"lab1"')
    set_boot_once(device=device, boot_once="installer", installer="debian-12")
    for path in ("/installers/", PAGE):
        page = viewer_client.get(path).content.decode()
        assert "&lt;b&gt;&quot;lab1&quot;" in page, path
        assert 'href="/devices/52:54:00:00:00:01/"' in page, path
    assert api.get("/api/v1/os-installers").json()[0]["next_boot_of"] == [device.mac]
    refused = operator_client.post(f"{PAGE}delete/")
    assert (refused.status_code, b"next boot of" in refused.content) == (422, True)


@pytest.mark.parametrize("count", [1, 40])
def test_the_list_asks_as_much_for_one_as_for_many(
    viewer_client: Client, django_assert_num_queries: Callable[[int], Any], count: int
) -> None:
    viewer_client.get("/installers/")
    for number in range(count):
        Installer.objects.create(**fields(name=f"one-{number:02d}"))
        device = register_device(mac=f"52:54:00:00:01:{number:02x}", device_type="x64", name=f"d{number}")
        set_boot_once(device=device, boot_once="installer", installer=f"one-{number:02d}")
    with django_assert_num_queries(6):  # who asks (2), short nodes, how many, rows, devices
        assert viewer_client.get("/installers/").content.decode().count("/devices/52:54") == count


def test_many_devices_are_counted(viewer_client: Client, installer: Installer) -> None:
    for number in range(5):
        device = register_device(mac=f"52:54:00:00:01:{number:02x}", device_type="x64", name=f"d{number}")
        set_boot_once(device=device, boot_once="installer", installer="debian-12")
    assert "and 2 more" in viewer_client.get("/installers/").content.decode()


def test_a_viewer_sees_no_buttons_and_cannot_press_any(viewer_client: Client, installer: Installer) -> None:
    for path in ("/installers/", PAGE, "/pi-mac-prefixes/"):
        page = viewer_client.get(path).content.decode()
        assert "New installer" not in page
        assert 'class="btn btn-primary"' not in page, path
    for path in ("/installers/_new/", f"{PAGE}edit/", f"{PAGE}delete/", "/pi-mac-prefixes/"):
        assert viewer_client.post(path, fields()).status_code == 403, path


@pytest.mark.parametrize(
    "path", ["/installers/nothing/", "/installers/no%00thing/edit/", "/installers/x/delete/"]
)
def test_what_is_not_there_is_404(operator_client: Client, path: str) -> None:
    assert operator_client.post(path, fields()).status_code in {404, 405}
    assert operator_client.get(path).status_code in {404, 405}


def test_a_list_is_searched_by_name(viewer_client: Client, installer: Installer) -> None:
    assert "debian-12" in viewer_client.get("/installers/?q=DEB").content.decode()
    assert "No installer fits" in viewer_client.get("/installers/?q=<script>%00").content.decode()


def test_an_address_is_added_and_removed(operator_client: Client, db: None) -> None:
    added = {"beginning": "02:AB:CD", "note": "<i>boards</i>"}
    assert operator_client.post("/pi-mac-prefixes/", added).status_code == 302
    page = operator_client.get("/pi-mac-prefixes/").content.decode()
    assert "&lt;i&gt;boards" in page
    assert "b827eb" in page
    assert operator_client.post("/pi-mac-prefixes/02abcd/remove/").status_code == 302
    assert not PiMacPrefix.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("beginning", value) for value in ("", "xyz", "01abcd", "b827eb", "1" * 40)]
    + [("note", "x" * 201), ("note", "a\u202eb")],
)
def test_a_wrong_address_is_told_beside_its_field(
    operator_client: Client, db: None, field: str, value: str
) -> None:
    answer = operator_client.post("/pi-mac-prefixes/", {"beginning": "02abcd", "note": "mine", field: value})
    assert answer.status_code == 422
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not PiMacPrefix.objects.exists()


def test_a_device_can_be_gone_from_the_plan(viewer_client: Client, installer: Installer) -> None:
    assert not Device.objects.exists()
    assert "No device starts it next" in viewer_client.get(PAGE).content.decode()
