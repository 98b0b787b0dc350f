"""PUT /api/v1/images/{id}/content: archives are unpacked while they come."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from images import content
from images.models import Image, ImageState
from netboot_site.errors import ConflictError
from tests.conftest import Api

MIB = 1024 * 1024
COMMANDS = {"xz": ["xz", "-c", "-0"], "gzip": ["gzip", "-c"], "zstd": ["zstd", "-c"]}
FORMATS = [*COMMANDS, "zip"]


def packed(kind: str, data: bytes) -> bytes:
    if kind == "zip":
        target = BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("disk.img", data)
        return target.getvalue()
    return subprocess.run(COMMANDS[kind], input=data, capture_output=True, check=True).stdout


@pytest.fixture
def image(make_image: Callable[..., Image], converge: Callable[[], None]) -> Image:
    made = make_image("disk1", 8 * MIB)
    converge()
    made.refresh_from_db()
    return made


@pytest.fixture
def put(api: Api) -> Callable[..., HttpResponse]:
    def send(data: bytes, query: str = "") -> HttpResponse:
        headers = {"Authorization": f"Bearer {api.token}"}
        address = f"/api/v1/images/disk1/content{query}"
        return Client().put(address, data, "application/octet-stream", headers=headers)

    return send


def disk_of(image: Image, images_path: Path) -> bytes:
    image.refresh_from_db()
    return (images_path / image.head_name).read_bytes()


def only_heads(images_path: Path) -> bool:
    return all(path.name.startswith("head-") for path in (images_path / "disk1").iterdir())


@pytest.mark.parametrize("kind", FORMATS)
def test_an_archive_becomes_the_disk_in_it(
    image: Image, put: Callable[..., HttpResponse], images_path: Path, kind: str
) -> None:
    data = os.urandom(3 * MIB) + bytes(16 * MIB) + os.urandom(MIB + 1)
    whole = packed(kind, data)
    answer = put(whole, f"?sha256={hashlib.sha256(whole).hexdigest()}")
    assert answer.status_code == 202, answer.content
    body = answer.json()
    assert (body["state"], body["progress"], body["last_error"]) == ("ready", 1.0, "")
    disk = disk_of(image, images_path)
    assert (disk[: len(data)], len(disk)) == (data, 20 * MIB + 512)
    used = (images_path / image.head_name).stat().st_blocks * 512
    assert used <= 4 * MIB + 256 * 1024, f"{used} bytes of 4 MiB of data: zeros take room"
    assert only_heads(images_path)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_archive_is_refused_and_the_old_disk_stays(
    image: Image, put: Callable[..., HttpResponse], images_path: Path, kind: str
) -> None:
    assert put(b"old" * 100).status_code == 202
    whole = packed(kind, os.urandom(3 * MIB))
    answer = put(whole[: len(whole) // 2])
    assert answer.status_code == 422, answer.content
    assert "damaged or cut off" in answer.json()["detail"]
    assert disk_of(image, images_path)[:300] == b"old" * 100
    assert (image.state, image.last_error) == (ImageState.READY, "")
    assert only_heads(images_path)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_archive_is_refused(image: Image, put: Callable[..., HttpResponse], kind: str) -> None:
    whole = bytearray(packed(kind, random.Random(1).randbytes(2 * MIB)))
    whole[len(whole) // 2] ^= 0xFF
    answer = put(bytes(whole))
    assert answer.status_code == 422, answer.content


@pytest.mark.parametrize("kind", FORMATS)
def test_bytes_behind_the_end_are_refused(
    image: Image, put: Callable[..., HttpResponse], images_path: Path, kind: str
) -> None:
    answer = put(packed(kind, os.urandom(MIB)) + b"garbage" * 100)
    assert answer.status_code == 422, answer.content
    assert only_heads(images_path)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_wrong_sha256_of_an_archive_leaves_the_old_disk(
    image: Image, put: Callable[..., HttpResponse], images_path: Path, kind: str
) -> None:
    assert put(b"old" * 100).status_code == 202
    answer = put(packed(kind, os.urandom(MIB)), f"?sha256={'0' * 64}")
    assert answer.status_code == 422
    assert "SHA-256" in answer.json()["detail"]
    assert disk_of(image, images_path)[:300] == b"old" * 100


@pytest.mark.parametrize("kind", FORMATS)
def test_a_bomb_is_refused(
    image: Image, put: Callable[..., HttpResponse], images_path: Path, kind: str
) -> None:
    answer = put(packed(kind, b"A" * (100 * MIB)))
    assert answer.status_code == 422, answer.content
    assert "200 times its size" in answer.json()["detail"]
    assert only_heads(images_path)


@pytest.mark.parametrize("kind", FORMATS)
def test_more_than_the_limit_is_refused(
    image: Image, put: Callable[..., HttpResponse], settings: Any, kind: str
) -> None:
    settings.IMPORT_MAX_BYTES = 4 * MIB
    answer = put(packed(kind, bytes(5 * MIB)))
    assert answer.status_code == 422
    assert "IMPORT_MAX_BYTES" in answer.json()["detail"]


def test_zeros_are_no_bomb(image: Image, put: Callable[..., HttpResponse], images_path: Path) -> None:
    answer = put(packed("zstd", bytes(300 * MIB)))
    assert answer.status_code == 202, answer.content
    image.refresh_from_db()
    assert image.size_bytes == 300 * MIB
    assert (images_path / image.head_name).stat().st_blocks == 0


def test_no_room_beside_the_reserve_ends_this_import_only(
    image: Image, put: Callable[..., HttpResponse], settings: Any, images_path: Path
) -> None:
    assert put(b"old" * 100).status_code == 202
    whole = packed("zstd", os.urandom(MIB))
    settings.STORAGE_RESERVE_BYTES = 1 << 60
    answer = put(whole)
    assert answer.status_code == 409
    assert "beside its reserve" in answer.json()["detail"]
    assert disk_of(image, images_path)[:300] == b"old" * 100


@pytest.mark.parametrize("kind", COMMANDS)
def test_an_archive_in_an_archive_is_not_taken_for_a_disk(
    image: Image, put: Callable[..., HttpResponse], kind: str
) -> None:
    answer = put(packed(kind, b"QFI\xfb" + bytes(MIB)))
    assert answer.status_code == 422
    assert "holds a qcow2 file" in answer.json()["detail"]


class CutStream:
    """A client that goes away."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, size: int, /) -> bytes:
        data, self.data = self.data[:size], self.data[size:]
        return data


def test_a_cut_archive_begins_anew(image: Image, put: Callable[..., HttpResponse], images_path: Path) -> None:
    data = os.urandom(2 * MIB)
    whole = packed("xz", data)
    with pytest.raises(ConflictError, match=f"after {MIB} bytes"):
        content.receive(
            image_id="disk1", stream=CutStream(whole[:MIB]), content_length=str(len(whole)),
            content_range="", sha256="",
        )  # fmt: skip
    image.refresh_from_db()
    assert (image.state, image.upload_received_bytes, image.last_error) == (ImageState.READY, 0, "")
    assert put(whole).status_code == 202
    assert disk_of(image, images_path)[: 2 * MIB] == data
