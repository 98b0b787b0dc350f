"""Every change of a kernel set is noted in words, with the person who made it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from bootflow.catalogue import create_kernel_set, delete_kernel_set, update_kernel_set
from bootflow.kernel_set_files import delete_file, put_file
from bootflow.models import KernelSet
from bootflow.services import register_profile
from images.services import store_blob
from netboot_site.errors import ConflictError
from netboot_site.journal import changes_of
from tests.conftest import Api

pytestmark = pytest.mark.django_db
SAME: dict[str, Any] = {"kernel_url": "", "initramfs_url": None, "cmdline": "", "is_default": False}


@pytest.fixture
def kernel_set() -> KernelSet:
    return create_kernel_set(name="rpi-6.12", **SAME)


def texts(name: str = "rpi-6.12") -> list[str]:
    return [change.text for change in changes_of("kernel set", name)]


def _with_file(row: KernelSet) -> None:
    put_file(kernel_set=row, path="start4.elf", sha256=store_blob(source=b"one"))


def _replaced(row: KernelSet) -> None:
    _with_file(row)
    put_file(kernel_set=row, path="start4.elf", sha256=store_blob(source=b"two"))


def _removed(row: KernelSet) -> None:
    _with_file(row)
    delete_file(kernel_set=row, path="start4.elf")


CHANGES: list[tuple[Callable[[KernelSet], object], list[str]]] = [
    (
        lambda row: update_kernel_set(kernel_set=row, **{**SAME, "cmdline": "quiet"}),
        ["Command line changed from none to quiet"],
    ),
    (
        lambda row: update_kernel_set(kernel_set=row, **{**SAME, "kernel_url": "kernel8.img"}),
        ["Kernel changed from none to kernel8.img"],
    ),
    (lambda row: update_kernel_set(kernel_set=row, **SAME), []),
    (lambda row: update_kernel_set(kernel_set=row, **{**SAME, "is_default": True}), ["Made the default"]),
    (lambda row: delete_kernel_set(kernel_set=row), ["Deleted, with its files"]),
    (_with_file, ["start4.elf added"]),
    (_replaced, ["start4.elf replaced", "start4.elf added"]),
    (_removed, ["start4.elf deleted", "start4.elf added"]),
]


@pytest.mark.parametrize(("change", "told"), CHANGES)
def test_a_change_is_noted_in_words(
    kernel_set: KernelSet, change: Callable[[KernelSet], object], told: list[str]
) -> None:
    change(kernel_set)
    assert texts() == [*told, "Created"]


def test_the_set_that_was_the_default_notes_its_heir(kernel_set: KernelSet) -> None:
    update_kernel_set(kernel_set=kernel_set, **{**SAME, "is_default": True})
    assert texts("default") == ["The default passed to rpi-6.12"]
    update_kernel_set(kernel_set=kernel_set, **{**SAME, "is_default": True})
    assert texts("default") == ["The default passed to rpi-6.12"], "nothing changed the second time"


def test_page_and_api_show_the_history(api: Api, operator_client: Client) -> None:
    assert (
        api.post("/api/v1/kernel-sets", {"name": "x", "kernel_url": "", "cmdline": "<b>"}).status_code == 201
    )
    operator_client.post("/kernel-sets/x/edit/", {"cmdline": "<i>"})
    told = api.get("/api/v1/kernel-sets/x/history").json()
    assert [(row["person"], row["text"]) for row in told] == [
        ("operator", "Command line changed from <b> to <i>"), ("operator", "Created"),
    ]  # fmt: skip
    page = operator_client.get("/kernel-sets/x/").content.decode()
    assert "Command line changed from &lt;b&gt; to &lt;i&gt;" in page
    assert "by operator" in page


@pytest.mark.parametrize("path", ["kernel-sets", "os-installers"])
def test_what_never_was_has_no_history(api: Api, path: str) -> None:
    assert api.get(f"/api/v1/{path}/nothing/history").status_code == 404


def test_a_refusal_names_the_devices_that_use_a_set(kernel_set: KernelSet) -> None:
    for number in range(7):
        register_profile(
            mac=f"52:54:00:00:00:{number:02x}",
            device_type="raspi",
            name=f"pi-{number}",
            kernel_set="rpi-6.12",
        )
    with pytest.raises(ConflictError, match="used by 7 devices: pi-0, pi-1, pi-2, pi-3, pi-4 and 2 more"):
        delete_kernel_set(kernel_set=kernel_set)
