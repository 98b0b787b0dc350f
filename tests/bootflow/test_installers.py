"""The catalogue of installers, and what their paths may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from bootflow.models import Installer
from bootflow.services import set_boot_once
from devices.models import Device
from tests.conftest import Api

PATH = "/api/v1/os-installers"
BODY: dict[str, Any] = {
    "name": "debian-12",
    "path": "debian/12",
    "kernel": "linux",
    "initrd": "initrd.gz",
    "kernel_cmdline": "auto=true",
    "device_type": "x64",
}
SHOWN = {**BODY, "next_boot_of": []}


def test_one_is_created_listed_replaced_and_deleted(api: Api) -> None:
    created = api.post(PATH, BODY)
    assert (created.status_code, created.json()) == (201, SHOWN)
    assert api.get(PATH).json() == [SHOWN]
    assert api.get(f"{PATH}/debian-12").json() == SHOWN
    assert api.put(f"{PATH}/debian-12", {**BODY, "kernel": "vmlinuz"}).json()["kernel"] == "vmlinuz"
    assert api.delete(f"{PATH}/debian-12").status_code == 204
    assert api.get(f"{PATH}/debian-12").status_code == 404


def test_a_taken_name_is_refused(api: Api, installer: Installer) -> None:
    assert api.post(PATH, BODY).status_code == 409


@pytest.mark.parametrize("field", ["path", "kernel", "initrd"])
@pytest.mark.parametrize(
    "value", ["/etc", "../x", "a/../../b", "a/./b", "a\nb", "a\0b", "a\\b", "${x}", "x" * 301]
)
def test_a_path_stays_below_the_boot_files(api: Api, field: str, value: str) -> None:
    answer = api.post(PATH, {**BODY, field: value})
    assert answer.status_code == 422
    assert not Installer.objects.exists()


@pytest.mark.parametrize(
    "bad", [{"name": "a b"}, {"kernel": ""}, {"path": ""}, {"kernel_cmdline": "a\nb"},
            {"kernel_cmdline": "${x}"},
            {"device_type": "toaster"}, {"device_type": None}],
)  # fmt: skip
def test_what_cannot_be_right_is_refused(api: Api, bad: dict[str, Any]) -> None:
    assert api.post(PATH, {**BODY, **bad}).status_code == 422


def test_one_that_a_device_is_about_to_start_stays(api: Api, installer: Installer, device: Device) -> None:
    set_boot_once(device=device, boot_once="installer", installer=installer.name)
    assert api.delete(f"{PATH}/{installer.name}").status_code == 409


def test_a_viewer_only_looks(viewer: User, make_api: Callable[..., Api]) -> None:
    client = make_api(viewer)
    assert client.get(PATH).status_code == 200
    assert client.post(PATH, BODY).status_code == 403
