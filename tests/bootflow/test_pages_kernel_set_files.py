"""Files go into a kernel set by a plain form, and out of it again."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from bootflow.models import KernelSet, KernelSetFile
from images.models import Blob, StorageNode
from images.services.blobs import blob_pieces
from tests.bootflow.test_pages_kernel_sets import image_set, own_set


def files(**contents: bytes) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(name.replace("__", "."), data) for name, data in contents.items()]


def upload(client: Client, given: list[SimpleUploadedFile], folder: str = "", name: str = "rpi") -> int:
    return client.post(f"/kernel-sets/{name}/upload/", {"uploads": given, "folder": folder}).status_code


def paths() -> list[str]:
    return list(KernelSetFile.objects.values_list("path", flat=True))


def test_several_files_are_uploaded_at_once_without_javascript(operator_client: Client, db: None) -> None:
    own_set("rpi")
    assert upload(operator_client, files(start4__elf=b"firmware", kernel8__img=b"kernel" * 9)) == 302
    assert paths() == ["kernel8.img", "start4.elf"]
    content = b"".join(blob_pieces(sha256=KernelSetFile.objects.get(path="kernel8.img").blob_id))
    assert content == b"kernel" * 9
    assert b"2 files of rpi can be served now." in operator_client.get("/kernel-sets/rpi/").content


def test_a_folder_is_for_all_of_them(operator_client: Client, db: None) -> None:
    own_set("rpi")
    assert upload(operator_client, files(vc4__dtbo=b"x"), folder="/overlays/") == 302
    assert paths() == ["overlays/vc4.dtbo"]


def test_a_file_of_the_same_name_is_replaced(operator_client: Client, db: None) -> None:
    own_set("rpi", "start4.elf")
    before = KernelSetFile.objects.get().blob_id
    assert upload(operator_client, files(start4__elf=b"newer")) == 302
    assert KernelSetFile.objects.get().blob_id != before


@pytest.mark.parametrize(
    ("given", "folder", "said"),
    [
        ([], "", "Choose at least one file."), (files(a=b"x"), "../..", "no &#x27;..&#x27;"),
        (files(a=b"x"), "a/b/c/d/e", "at most"), (files(a=b"x"), "ä", "letters"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_beside_the_field_and_nothing_is_kept(
    operator_client: Client, db: None, given: list[SimpleUploadedFile], folder: str, said: str
) -> None:
    own_set("rpi")
    answer = operator_client.post("/kernel-sets/rpi/upload/", {"uploads": given, "folder": folder})
    assert answer.status_code == 422
    box = answer.content.decode().split('id="upload-title"')[1].split("</section>")[0]
    assert said in box.split("invalid-feedback")[1]
    assert paths() == []


def test_a_file_is_taken_out(operator_client: Client, db: None) -> None:
    own_set("rpi", "start4.elf", "kernel8.img")
    operator_client.post("/kernel-sets/rpi/remove/", {"path": "start4.elf"})
    assert paths() == ["kernel8.img"]


def test_what_is_not_there_cannot_be_taken_out(operator_client: Client, db: None) -> None:
    own_set("rpi", "kernel8.img")
    answer = operator_client.post("/kernel-sets/rpi/remove/", {"path": "no.elf"}, follow=True)
    assert b"has no file" in answer.content
    assert paths() == ["kernel8.img"]


def test_nothing_goes_into_or_out_of_an_image_s_set(operator_client: Client, node: StorageNode) -> None:
    image_set(node, "pi-os", "kernel8.img")
    assert upload(operator_client, files(a=b"x"), name="pi-os") == 404
    assert operator_client.post("/kernel-sets/pi-os/remove/", {"path": "kernel8.img"}).status_code == 404
    assert "Upload files" not in operator_client.get("/kernel-sets/pi-os/").content.decode()


def test_a_viewer_sees_files_and_changes_none(viewer_client: Client, db: None) -> None:
    own_set("rpi", "start4.elf")
    assert upload(viewer_client, files(a=b"x")) == 403
    assert viewer_client.post("/kernel-sets/rpi/remove/", {"path": "start4.elf"}).status_code == 403
    page = viewer_client.get("/kernel-sets/rpi/").content.decode()
    assert "start4.elf" in page
    assert "Delete start4.elf" not in page
    assert paths() == ["start4.elf"]


def test_one_content_is_kept_once_whatever_the_number_of_sets(operator_client: Client, db: None) -> None:
    own_set("rpi")
    KernelSet.objects.create(name="other")
    for name in ("rpi", "other"):
        assert upload(operator_client, files(start4__elf=b"the same"), name=name) == 302
    assert Blob.objects.count() == 1
