"""Import from a file in the import folder: POST /api/v1/images/{id}/import, GET /api/v1/import-files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from images.importing.folder import path_of
from images.models import Image, Job, JobState
from netboot_site.errors import ValidationError
from tests.conftest import Api
from tests.images.importing.conftest import MIB, assert_old_disk, disk_of
from tests.images.importing.test_import_in_pieces import CONTAINERS, contained
from tests.images.importing.test_put_archive import FORMATS, packed

DATA = os.urandom(MIB) + bytes(12 * MIB) + os.urandom(MIB)
URL = "/api/v1/images/disk1/import"
pytestmark = pytest.mark.usefixtures("image")


@pytest.mark.parametrize("kind", ["raw", *FORMATS, *CONTAINERS])
def test_a_file_becomes_the_disk_in_it(
    image: Image, import_path: Path, api: Api, work: Callable[[], Job], images_path: Path, tmp_path: Path,
    kind: str,
) -> None:  # fmt: skip
    whole = DATA if kind == "raw" else b""
    whole = whole or (packed(kind, DATA) if kind in FORMATS else contained(kind, DATA, tmp_path))
    (import_path / "some disk").write_bytes(whole)
    answer = api.post(URL, {"file": "some disk"})
    assert answer.status_code == 202, answer.content
    assert (answer.json()["kind"], answer.json()["state"]) == ("import", "waiting")
    assert api.get("/api/v1/images/disk1").json()["state"] == "importing"
    job = work()
    assert (job.state, job.last_error) == (JobState.DONE, "")
    assert disk_of(image, images_path)[: len(DATA)] == DATA
    assert (import_path / "some disk").read_bytes() == whole, "the person's own file was touched"
    assert job.created_by == "operator"


def test_holes_of_a_raw_file_are_not_read(
    image: Image, import_path: Path, api: Api, work: Callable[[], Job], images_path: Path
) -> None:
    with (import_path / "disk").open("wb") as file:
        file.truncate(40 * 1024**3)
        file.seek(30 * 1024**3)
        file.write(b"here")
    assert api.post(URL, {"file": "disk"}).status_code == 202
    assert work().last_error == ""
    image.refresh_from_db()
    status = (images_path / image.head_name).stat()
    assert status.st_size == 40 * 1024**3
    assert status.st_blocks * 512 <= 256 * 1024


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/b", "..", ".", ".hidden", "x\0y", "x\ny", "y" * 300]
)
def test_a_path_is_no_name(import_path: Path, api: Api, name: str) -> None:
    answer = api.post(URL, {"file": name})
    assert answer.status_code == 422, answer.content
    assert Job.objects.count() == 0


@pytest.mark.parametrize("name", ["", "a/b", "/a", "..", ".a", "a\0", "a\n"])
def test_what_is_no_name_has_no_path(import_path: Path, name: str) -> None:
    with pytest.raises(ValidationError):
        path_of(name)


def test_links_folders_and_pipes_are_neither_listed_nor_followed(
    image: Image, import_path: Path, api: Api, tmp_path: Path, images_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"s" * MIB)
    (import_path / "link").symlink_to(tmp_path / "secret")
    (import_path / "folder").mkdir()
    os.mkfifo(import_path / "pipe")
    (import_path / "disk").write_bytes(b"x")
    assert [row["name"] for row in api.get("/api/v1/import-files").json()] == ["disk"]
    for name in ("link", "folder", "pipe"):
        answer = api.post(URL, {"file": name})
        assert answer.status_code == 422, name
        assert str(tmp_path) not in answer.json()["detail"]
    assert_old_disk(image, images_path)


def test_a_file_that_became_a_link_is_not_followed(
    image: Image, import_path: Path, api: Api, tmp_path: Path, images_path: Path, work: Callable[[], Job]
) -> None:
    (import_path / "disk").write_bytes(b"x" * MIB)
    assert api.post(URL, {"file": "disk"}).status_code == 202
    (tmp_path / "secret").write_bytes(b"s" * MIB)
    (import_path / "disk").unlink()
    (import_path / "disk").symlink_to(tmp_path / "secret")
    job = work()
    assert (job.state, "is a link" in job.last_error) == (JobState.FAILED, True)
    assert_old_disk(image, images_path)


def test_files_are_listed_with_their_sizes(import_path: Path, api: Api) -> None:
    (import_path / "b.img").write_bytes(b"12")
    (import_path / "a.img.xz").write_bytes(b"1")
    rows = api.get("/api/v1/import-files").json()
    assert [(row["name"], row["size_bytes"]) for row in rows] == [("a.img.xz", 1), ("b.img", 2)]
    assert rows[0]["modified_at"].endswith("Z")


def test_without_the_folder_there_are_no_files(api: Api, settings: Any, tmp_path: Path) -> None:
    settings.IMPORT_PATH = tmp_path / "none"
    assert api.get("/api/v1/import-files").json() == []
    assert api.post(URL, {"file": "disk"}).status_code == 404


@pytest.mark.parametrize("body", [{}, {"url": "http://a/b", "file": "c"}, {"file": ""}])
def test_one_place_must_be_named(api: Api, body: dict[str, str]) -> None:
    answer = api.post(URL, body)
    assert answer.status_code == 422
    assert "either `url` or `file`" in answer.json()["detail"]


def test_an_empty_file_is_no_disk(
    image: Image, import_path: Path, api: Api, work: Callable[[], Job], images_path: Path
) -> None:
    (import_path / "disk").write_bytes(b"")
    assert api.post(URL, {"file": "disk"}).status_code == 202
    assert "empty" in work().last_error
    assert_old_disk(image, images_path)
