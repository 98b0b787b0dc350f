"""PUT /api/v1/images/{id}/content: a raw disk, at once or in pieces."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from devices.models import Device
from images import content, services
from images.models import Image, ImageState, Session, StorageNode
from netboot_site.errors import ConflictError
from tests.conftest import Api

MIB = 1024 * 1024


@pytest.fixture
def image(make_image: Callable[..., Image], converge: Callable[[], None]) -> Image:
    made = make_image("disk1", 8 * MIB)
    converge()
    made.refresh_from_db()
    return made


@pytest.fixture
def put(api: Api) -> Callable[..., HttpResponse]:
    def send(data: bytes, content_range: str = "", query: str = "", image_id: str = "disk1") -> HttpResponse:
        headers = {"Authorization": f"Bearer {api.token}"}
        if content_range:
            headers["Content-Range"] = content_range
        return Client().put(
            f"/api/v1/images/{image_id}/content{query}", data, "application/octet-stream", headers=headers
        )

    return send


def disk_of(image: Image, images_path: Path) -> bytes:
    image.refresh_from_db()
    return (images_path / image.head_name).read_bytes()


def test_the_bytes_become_the_disk(
    image: Image, put: Callable[..., HttpResponse], images_path: Path, converge: Callable[[], None]
) -> None:
    data = os.urandom(3 * MIB)
    answer = put(data)
    assert answer.status_code == 202, answer.content
    assert disk_of(image, images_path) == data + bytes(5 * MIB)
    body = answer.json()
    assert (body["state"], body["progress"], body["size_bytes"]) == ("ready", 1.0, 8 * MIB)
    converge()
    assert [path.name for path in (images_path / "disk1").iterdir() if "part" in path.name] == []


def test_the_image_grows_to_fit_and_to_whole_sectors(
    image: Image, put: Callable[..., HttpResponse], images_path: Path
) -> None:
    data = os.urandom(9 * MIB + 1)
    assert put(data).json()["size_bytes"] == 9 * MIB + 512
    assert disk_of(image, images_path) == data + bytes(511)


def test_zeros_take_no_room(image: Image, put: Callable[..., HttpResponse], images_path: Path) -> None:
    assert put(bytes(2 * MIB) + b"x" + bytes(4 * MIB)).status_code == 202
    image.refresh_from_db()
    assert (images_path / image.head_name).stat().st_blocks * 512 <= 128 * 1024


def test_pieces_make_one_disk_and_each_says_how_far_it_is(
    image: Image, put: Callable[..., HttpResponse], images_path: Path, api: Api
) -> None:
    data = os.urandom(3 * MIB)
    first = put(data[:MIB], f"bytes 0-{MIB - 1}/{3 * MIB}")
    assert (first.status_code, first.json()["received_bytes"]) == (202, MIB)
    shown = api.get("/api/v1/images/disk1").json()
    assert (shown["received_bytes"], shown["progress"], shown["state"]) == (MIB, 0.3333, "ready")
    last = put(
        data[MIB:], f"bytes {MIB}-{3 * MIB - 1}/{3 * MIB}", f"?sha256={hashlib.sha256(data).hexdigest()}"
    )
    assert last.status_code == 202, last.content
    assert disk_of(image, images_path)[: 3 * MIB] == data


def test_a_piece_that_does_not_follow_is_refused_and_a_new_start_is_allowed(
    image: Image, put: Callable[..., HttpResponse], images_path: Path
) -> None:
    assert put(b"a" * MIB, f"bytes 0-{MIB - 1}/{3 * MIB}").status_code == 202
    gap = put(b"c" * MIB, f"bytes {2 * MIB}-{3 * MIB - 1}/{3 * MIB}")
    assert gap.status_code == 409
    assert f"{MIB} bytes of this upload" in gap.json()["detail"]
    other = put(b"c" * MIB, f"bytes {MIB}-{2 * MIB - 1}/{2 * MIB}")
    assert other.status_code == 409, "a piece of an upload with another total"
    assert put(b"d" * MIB, f"bytes 0-{MIB - 1}/{MIB}").status_code == 202
    assert disk_of(image, images_path)[: 2 * MIB] == b"d" * MIB + bytes(MIB)


def test_what_an_earlier_try_left_does_not_show_through_holes(
    image: Image, put: Callable[..., HttpResponse], images_path: Path
) -> None:
    assert put(b"a" * (2 * MIB), f"bytes 0-{2 * MIB - 1}/{3 * MIB}").status_code == 202
    Image.objects.update(upload_received_bytes=MIB)  # as after a crash: only that much was surely on the disk
    assert put(bytes(2 * MIB), f"bytes {MIB}-{3 * MIB - 1}/{3 * MIB}").status_code == 202
    assert disk_of(image, images_path)[: 3 * MIB] == b"a" * MIB + bytes(2 * MIB)


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_wrong_sha256_leaves_the_old_content(
    image: Image, put: Callable[..., HttpResponse], images_path: Path, pieces: int
) -> None:
    assert put(b"old" * 100).status_code == 202
    data, query = b"n" * (2 * MIB), f"?sha256={'0' * 64}"
    if pieces == 2:
        assert put(data[:MIB], f"bytes 0-{MIB - 1}/{2 * MIB}").status_code == 202
        answer = put(data[MIB:], f"bytes {MIB}-{2 * MIB - 1}/{2 * MIB}", query)
    else:
        answer = put(data, query=query)
    assert answer.status_code == 422
    assert "SHA-256" in answer.json()["detail"]
    assert disk_of(image, images_path)[:300] == b"old" * 100
    assert not list(images_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("start", "name"),
    [(b"QFI\xfb", "qcow2"), (b"KDMV", "vmdk"), (b"vhdxfile", "vhdx"), (b"\xfd7zXZ\x00", "xz"),
     (b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"PK\x03\x04", "zip"), (b"BZh9", "bzip2"),
     (b"7z\xbc\xaf\x27\x1c", "7z"), (bytes(257) + b"ustar", "tar")],
)  # fmt: skip
def test_what_cannot_be_read_is_named_and_refused(
    image: Image, put: Callable[..., HttpResponse], start: bytes, name: str, images_path: Path
) -> None:
    answer = put(start + bytes(4096))
    assert answer.status_code == 422
    assert name in answer.json()["detail"]
    assert not list(images_path.rglob("*.part"))


@pytest.mark.parametrize(
    "content_range",
    ["bytes 0-10/5", "bytes 5-2/10", "bytes 0-99/100", "bytes 0-3/*", "0-3/4", "bytes -1-2/4", "x" * 500],
)
def test_a_range_that_cannot_be_is_refused(
    image: Image, put: Callable[..., HttpResponse], content_range: str
) -> None:
    assert put(b"abcd", content_range).status_code == 422


def test_an_empty_body_a_bad_digest_and_an_unknown_image_are_refused(
    image: Image, put: Callable[..., HttpResponse]
) -> None:
    assert put(b"").status_code == 422
    assert put(b"abcd", query="?sha256=abc").status_code == 422
    assert put(b"abcd", image_id="nope").status_code == 404


def test_a_disk_in_use_is_not_overwritten(image: Image, put: Callable[..., HttpResponse]) -> None:
    Session.objects.create(
        iqn=image.iqn, handle="1-1", image=image, initiator_name="iqn.x:y", started_at=timezone.now()
    )
    answer = put(b"abcd")
    assert answer.status_code == 409
    assert "in use" in answer.json()["detail"]


def test_more_than_the_disk_holds_is_refused_before_it_begins(
    image: Image, put: Callable[..., HttpResponse]
) -> None:
    answer = put(b"abcd", f"bytes 0-3/{8 * 1024**4}")
    assert answer.status_code == 409
    assert "GiB left" in answer.json()["detail"]
    assert str(content.settings.IMAGES_PATH) not in answer.json()["detail"]


class CutStream:
    """A client that goes away after its first bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, size: int, /) -> bytes:
        data, self.data = self.data[:size], self.data[size:]
        return data


def test_a_cut_connection_can_be_resumed(
    image: Image, put: Callable[..., HttpResponse], images_path: Path
) -> None:
    data = os.urandom(2 * MIB)
    with pytest.raises(ConflictError, match=f"after {MIB} bytes"):
        content.receive(
            image_id="disk1", stream=CutStream(data[:MIB]), content_length=str(2 * MIB),
            content_range="", sha256="",
        )  # fmt: skip
    image.refresh_from_db()
    assert (image.state, image.upload_received_bytes) == (ImageState.READY, MIB)
    assert put(data[MIB:], f"bytes {MIB}-{2 * MIB - 1}/{2 * MIB}").status_code == 202
    assert disk_of(image, images_path)[: 2 * MIB] == data


def test_a_full_disk_leaves_the_old_content_and_no_part(
    image: Image, put: Callable[..., HttpResponse], images_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> int:
        raise OSError(28, "No space left on device")

    assert put(b"old").status_code == 202
    monkeypatch.setattr(os, "pwrite", full)
    answer = put(b"new" * MIB)
    assert answer.status_code == 409
    assert "full" in answer.json()["detail"]
    assert disk_of(image, images_path)[:3] == b"old"
    assert not list(images_path.rglob("*.part"))
    image.refresh_from_db()
    assert image.state == ImageState.READY


def test_an_assigned_device_gets_the_new_content_and_the_old_file_goes(
    image: Image,
    put: Callable[..., HttpResponse],
    make_device: Callable[..., Device],
    converge: Callable[[], None],
    images_path: Path,
    node: StorageNode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services.assign_image(image=image, device=make_device(1))
    converge()
    assert put(b"new").status_code == 202
    monkeypatch.setattr("images.convergence.load.is_due", lambda image_id: True)
    converge()
    converge()
    image.refresh_from_db()
    assert image.observed_generation == image.generation == 2
    assert [path.name for path in (images_path / "disk1").iterdir()] == ["head-2.raw"]
