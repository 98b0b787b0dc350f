"""An image with known content, and the ways that bytes come to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from images.jobs.round import work_once
from images.models import Image, Job, JobState
from tests.conftest import Api

MIB = 1024 * 1024
OLD = b"old" * 100


@pytest.fixture
def image(make_image: Callable[..., Image], converge: Callable[[], None], images_path: Path) -> Image:
    """A disk with content of its own: whatever fails, that must be there afterwards."""
    made = make_image("disk1", 8 * MIB)
    converge()
    made.refresh_from_db()
    with (images_path / made.head_name).open("r+b") as file:
        file.write(OLD)
    Image.objects.update(observed_used_bytes=4096)
    made.refresh_from_db()
    return made


@pytest.fixture
def import_path(settings: Any, tmp_path: Path) -> Path:
    settings.IMPORT_PATH = tmp_path / "import"
    settings.IMPORT_PATH.mkdir()
    return Path(settings.IMPORT_PATH)


Put = Callable[..., HttpResponse]


@pytest.fixture
def put(api: Api) -> Put:
    def send(data: bytes, content_range: str = "", query: str = "") -> HttpResponse:
        headers = {"Authorization": f"Bearer {api.token}"}
        if content_range:
            headers["Content-Range"] = content_range
        address = f"/api/v1/images/disk1/content{query}"
        return Client().put(address, data, "application/octet-stream", headers=headers)

    return send


@pytest.fixture
def put_in_pieces(put: Put) -> Callable[..., HttpResponse]:
    def send(data: bytes, query: str = "", pieces: int = 3) -> HttpResponse:
        step = -(-len(data) // pieces)
        for start in range(0, len(data), step):
            end = min(start + step, len(data))
            answer = put(data[start:end], f"bytes {start}-{end - 1}/{len(data)}", query)
            if answer.status_code != 202:
                break
        return answer

    return send


@pytest.fixture
def work() -> Callable[[], Job]:
    """Do the one job that waits, as the worker does, and give its row."""

    def do() -> Job:
        assert work_once("local"), "no job waits"
        job = Job.objects.latest("pk")
        assert job.state != JobState.RUNNING
        return job

    return do


def disk_of(image: Image, images_path: Path) -> bytes:
    image.refresh_from_db()
    return (images_path / image.head_name).read_bytes()


def assert_old_disk(image: Image, images_path: Path) -> None:
    """The former content, and nothing left of what failed."""
    assert disk_of(image, images_path)[: len(OLD)] == OLD
    assert [path.name for path in (images_path / "disk1").iterdir()] == ["head-1.raw"]
