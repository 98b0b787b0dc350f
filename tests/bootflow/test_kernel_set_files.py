"""Files of kernel sets over REST: streamed in, listed, given back, taken out."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import pytest
from django.http import HttpResponse, UnreadablePostError
from django.test import Client

from bootflow import kernel_set_files
from bootflow.models import KernelSet, KernelSetFile
from images.models import Blob, Image
from netboot_site.errors import ValidationError
from tests.bootflow.raspberry_pi.conftest import STOCK_FILES, make_image  # noqa: F401
from tests.conftest import Api

SETS = "/api/v1/kernel-sets"
FILES = f"{SETS}/default/files"


def put(api: Api, path: str, data: bytes, name: str = "default", **headers: str) -> HttpResponse:
    return Client().generic(
        "PUT", f"{SETS}/{name}/files/{path}", data, content_type="application/octet-stream",
        headers={"Authorization": f"Bearer {api.token}", **headers},
    )  # fmt: skip


def test_a_file_is_put_listed_given_back_replaced_and_taken_out(api: Api) -> None:
    data = b"kernel" * 300_000
    told = {"path": "kernel8.img", "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    answer = put(api, "kernel8.img", data)
    assert (answer.status_code, answer.json()) == (201, told)
    assert api.get(FILES).json() == [told]
    given = api.get(f"{FILES}/kernel8.img")
    assert b"".join(given) == data  # type: ignore[arg-type]
    assert (given["Content-Type"], given["Content-Length"]) == ("application/octet-stream", str(len(data)))
    replaced = put(api, "kernel8.img", b"other")
    assert (replaced.status_code, replaced.json()["size_bytes"]) == (200, 5)
    assert api.delete(f"{FILES}/kernel8.img").status_code == 204
    assert api.get(FILES).json() == []
    assert api.get(f"{FILES}/kernel8.img").status_code == 404
    assert api.delete(f"{FILES}/kernel8.img").status_code == 404


def test_a_set_tells_its_files_and_what_each_model_lacks(api: Api) -> None:
    for path in ("start4.elf", "fixup4.dat", "kernel8.img", "overlays/vc4-kms-v3d.dtbo"):
        assert put(api, path, path.encode()).status_code == 201
    told = api.get(SETS).json()["default"]
    assert told == api.get(f"{SETS}/default").json()
    assert [file["path"] for file in told["files"]] == [
        "fixup4.dat", "kernel8.img", "overlays/vc4-kms-v3d.dtbo", "start4.elf"]  # fmt: skip
    assert told["size_bytes"] == sum(file["size_bytes"] for file in told["files"])
    assert told["missing"]["Raspberry Pi 4"] == ["bcm2711-rpi-4-b.dtb"]
    assert told["missing"]["Raspberry Pi 3"][:2] == ["bootcode.bin", "start.elf"]
    assert told["state"] == "incomplete"
    put(api, "bcm2711-rpi-4-b.dtb", b"dtb")
    now = api.get(f"{SETS}/default").json()
    assert ("Raspberry Pi 4" in now["missing"], now["state"]) == (False, "ready")


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../x", "a//b", "/etc/passwd", "a/b/c/d/e", "a b", "a%00b", "%2e%2e/x", "a%5Cb",
     "x" * 201, "caf%C3%A9", "./x", "a/", "a/./b"],
)  # fmt: skip
def test_a_path_that_would_leave_the_set_is_refused(api: Api, path: str) -> None:
    answer = put(api, path, b"data")
    assert answer.status_code == 422, answer.content
    assert "A path in a kernel set is relative" in answer.json()["detail"]
    assert not KernelSetFile.objects.exists()


@pytest.mark.parametrize(
    "path", ["a", "overlays/x.dtbo", "a/b/c/d", "A._+@-z", "initramfs_2712", "...", "a..b"]
)
def test_any_plain_path_is_taken(api: Api, path: str) -> None:
    assert put(api, path, b"").status_code == 201
    assert b"".join(api.get(f"{FILES}/{path}")) == b""  # type: ignore[arg-type]


def test_a_name_is_either_a_file_or_a_folder(api: Api) -> None:
    put(api, "overlays/x.dtbo", b"x")
    assert put(api, "overlays", b"x").status_code == 409
    assert put(api, "overlays/x.dtbo/y", b"x").status_code == 409
    assert KernelSetFile.objects.count() == 1


class Cut:
    """A body that ends early, or says nothing of its length."""

    def __init__(self, data: bytes, *, breaks: bool = False) -> None:
        self.data, self.breaks = io.BytesIO(data), breaks

    def read(self, size: int, /) -> bytes:
        piece = self.data.read(size)
        if not piece and self.breaks:
            raise UnreadablePostError("gone")
        return piece


def receive(data: bytes, content_length: str, *, breaks: bool = False) -> None:
    kernel_set_files.receive_file(
        kernel_set=KernelSet.objects.get(name="default"), path="x", stream=Cut(data, breaks=breaks),
        content_length=content_length,
    )  # fmt: skip


@pytest.mark.parametrize("content_length", ["1001", "", "9" * 30, "-5"])
def test_a_file_that_is_too_large_is_refused_before_and_while_it_is_read(
    db: None, monkeypatch: pytest.MonkeyPatch, content_length: str
) -> None:
    monkeypatch.setattr(kernel_set_files, "BLOB_MAX_BYTES", 1000)
    with pytest.raises(ValidationError, match="at most"):
        receive(b"y" * 1001, content_length)
    receive(b"y" * 1000, "1000")
    assert Blob.objects.count() == 1


def test_an_upload_that_is_cut_off_changes_nothing(api: Api) -> None:
    put(api, "x", b"whole")
    with pytest.raises(ValidationError, match="The connection ended after 4 of 10 bytes; send it again"):
        receive(b"half", "10")
    with pytest.raises(ValidationError, match="The connection ended after 4 bytes; send it again"):
        receive(b"half", "10", breaks=True)
    assert b"".join(api.get(f"{FILES}/x")) == b"whole"  # type: ignore[arg-type]


def test_a_set_of_an_image_is_read_and_not_changed(
    api: Api,
    make_image: Callable[..., Image],  # noqa: F811
) -> None:
    image = make_image(warnings=["A sentence."])
    KernelSet.objects.create(name="pi-os", image=image, is_of_image=True)
    told = api.get(f"{SETS}/pi-os").json()
    assert (told["image_id"], told["state"], told["warnings"]) == ("pi-os", "ready", ["A sentence."])
    assert [file["path"] for file in told["files"]] == sorted(STOCK_FILES)
    kernel = api.get(f"{SETS}/pi-os/files/kernel8.img")
    assert b"".join(kernel) == STOCK_FILES["kernel8.img"]  # type: ignore[arg-type]
    for answer in (put(api, "x", b"x", "pi-os"), api.delete(f"{SETS}/pi-os/files/kernel8.img"),
                   api.delete(f"{SETS}/pi-os")):  # fmt: skip
        assert (answer.status_code, "boot partition of its image" in answer.json()["detail"]) == (409, True)


def test_an_unknown_set_and_a_stranger_are_refused(api: Api) -> None:
    assert put(api, "x", b"x", "nobody").status_code == 404
    assert api.get(f"{SETS}/nobody/files").status_code == 404
    assert Client().put(f"{FILES}/x", b"x").status_code == 401
    assert Client().get(f"{FILES}/x").status_code == 401


def test_a_set_takes_so_many_files_and_no_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_set_files, "FILES_MAX", 2)
    assert [put(api, name, b"x").status_code for name in ("a", "b", "a", "c")] == [201, 201, 200, 422]


def test_deleting_a_set_takes_its_files_along(api: Api) -> None:
    api.post(SETS, {"name": "mine", "kernel_url": ""})
    put(api, "x", b"x", "mine")
    assert api.delete(f"{SETS}/mine").status_code == 204
    assert not KernelSetFile.objects.exists()
