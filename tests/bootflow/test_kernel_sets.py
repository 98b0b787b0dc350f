"""Kernel sets: `default` is always there, and exactly one is the default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from bootflow.models import KernelSet
from bootflow.services import update_profile
from devices.models import Device
from tests.conftest import Api

PATH = "/api/v1/kernel-sets"
BODY: dict[str, Any] = {"name": "new", "kernel_url": "http://10.0.0.1/linux", "cmdline": "quiet"}

EMPTY: dict[str, Any] = {  # a set that nobody has put a file into
    "image_id": None, "files": [], "size_bytes": 0, "missing": {}, "state": "empty", "last_error": "",
    "warnings": [],
}  # fmt: skip


def defaults() -> list[str]:
    return list(KernelSet.objects.filter(is_default=True).values_list("name", flat=True))


def test_the_list_is_an_object_by_name_with_default_in_it(api: Api) -> None:
    assert api.get(PATH).json() == {
        "default": {
            "name": "default",
            "kernel_url": "",
            "initramfs_url": None,
            "cmdline": "",
            "is_default": True,
            **EMPTY,
        }
    }


def test_one_is_created_read_replaced_and_deleted(api: Api) -> None:
    created = api.post(PATH, BODY)
    assert (created.status_code, created.json()) == (
        201,
        {**BODY, "initramfs_url": None, "is_default": False, **EMPTY},
    )
    assert api.get(f"{PATH}/new").json() == created.json()
    changed = api.put(f"{PATH}/new", {**BODY, "cmdline": "debug", "initramfs_url": "/initrd"})
    assert (changed.json()["cmdline"], changed.json()["initramfs_url"]) == ("debug", "/initrd")
    assert api.delete(f"{PATH}/new").status_code == 204
    assert api.get(f"{PATH}/new").status_code == 404


def test_a_taken_name_is_refused(api: Api) -> None:
    assert api.post(PATH, {**BODY, "name": "default"}).status_code == 409
    assert defaults() == ["default"]


def test_the_default_passes_to_another_one(api: Api) -> None:
    api.post(PATH, {**BODY, "is_default": True})
    assert defaults() == ["new"]
    api.put(f"{PATH}/default", {"kernel_url": "", "cmdline": "", "is_default": True})
    assert defaults() == ["default"]


def test_the_default_is_not_given_up_without_an_heir(api: Api) -> None:
    assert api.put(f"{PATH}/default", {"kernel_url": "/x", "cmdline": ""}).status_code == 409
    assert defaults() == ["default"]


def test_the_default_and_one_in_use_are_not_deleted(api: Api, device: Device) -> None:
    api.post(PATH, {**BODY, "is_default": True})
    assert api.delete(f"{PATH}/new").status_code == 409
    assert api.delete(f"{PATH}/default").status_code == 409
    api.post(PATH, {**BODY, "name": "used"})
    update_profile(device=device, kernel_set="used")
    answer = api.delete(f"{PATH}/used")
    assert (answer.status_code, "1 device" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    "bad",
    [{"name": ""}, {"name": "a b"}, {"name": "a/b"}, {"name": "a\n"}, {"name": "../x"}, {"name": "\0"},
     {"kernel_url": "a b"}, {"kernel_url": "${x}"}, {"kernel_url": "../../etc/passwd"},
     {"kernel_url": "a\nb"},
     {"cmdline": "a\nb"}, {"cmdline": "${x}"}, {"cmdline": "a || reboot"}, {"cmdline": "x" * 2001},
     {"is_default": "perhaps"}, {"initramfs_url": "\0"}],
)  # fmt: skip
def test_what_cannot_be_right_is_refused(api: Api, bad: dict[str, Any]) -> None:
    assert api.post(PATH, {**BODY, **bad}).status_code == 422
    assert KernelSet.objects.count() == 1


@pytest.mark.parametrize("name", ["none", "%00", "a%2fb", "x" * 300])
def test_an_unknown_name_is_404(api: Api, name: str) -> None:
    assert api.get(f"{PATH}/{name}").status_code == 404


def test_the_name_cannot_be_changed(api: Api) -> None:
    assert api.put(f"{PATH}/default", {**BODY, "is_default": True}).status_code == 422


def test_a_viewer_only_looks(viewer: User, make_api: Callable[..., Api]) -> None:
    client = make_api(viewer)
    assert client.get(PATH).status_code == 200
    assert client.post(PATH, BODY).status_code == 403
