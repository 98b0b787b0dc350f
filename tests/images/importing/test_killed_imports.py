"""kill -9 at each step of an import: the old disk or the new one is there, never a mixture."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from images import content, services
from images.importing import arrival, converting, unpacking, work
from images.jobs.round import work_once
from images.models import Image, ImageState, Job, JobState
from images.sparse import PartFile
from tests.images.importing.conftest import MIB, OLD, assert_old_disk, disk_of
from tests.images.importing.test_import_in_pieces import Pieces, contained
from tests.images.importing.test_put_archive import packed
from tests.images.test_put_content import CutStream

pytestmark = pytest.mark.django_db(transaction=True)
DATA = os.urandom(3 * MIB) + bytes(12 * MIB) + os.urandom(MIB)
# Where the process dies, in the order in which an import comes by: before the named function does anything.
EARLY = [(PartFile, "__init__"), (PartFile, "flush"), (PartFile, "extend"), (arrival, "inspect")]
LATE = [(services, "take_layer_number"), (Path, "rename"), (arrival, "_sync_folder"),
        (services, "replace_content")]  # fmt: skip
STEPS = [*EARLY, *LATE]


def die(*args: object, **kwargs: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_process_that_dies(place: object, name: str, do: Callable[[], object]) -> None:
    connection.close()  # two processes on one connection would hear each other's answers
    child = os.fork()
    if child == 0:
        setattr(place, name, die)
        try:
            do()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"it never came to {name}"


def ids(step: object) -> str:
    return step if isinstance(step, str) else getattr(step, "__name__", "").rpartition(".")[2]


@pytest.mark.parametrize(("place", "name"), [*STEPS, (unpacking, "start_filter")], ids=ids)
def test_a_killed_worker_s_import_is_done_again(
    image: Image, put_in_pieces: Pieces, images_path: Path, converge: Callable[[], None],
    place: object, name: str,
) -> None:  # fmt: skip
    assert put_in_pieces(packed("xz", DATA)).status_code == 202
    in_a_process_that_dies(place, name, lambda: work_once("local"))
    converge()
    assert disk_of(image, images_path)[: len(OLD)] == OLD, "half of a new disk counts"
    assert (image.state, Job.objects.get().state) == (ImageState.IMPORTING, JobState.RUNNING)
    assert work_once("local")
    assert (Job.objects.get().state, Job.objects.get().last_error) == (JobState.DONE, "")
    assert disk_of(image, images_path) == DATA
    heads = {path.name for path in (images_path / "disk1").iterdir()}
    assert heads <= {"head-1.raw", image.head_name.rpartition("/")[2]}, "something of the first try is left"


@pytest.mark.parametrize(
    ("place", "name"), [(work, "convert"), (converting, "_check"), *EARLY[1:2], *LATE], ids=ids
)
def test_a_killed_worker_s_conversion_is_done_again(
    image: Image, put_in_pieces: Pieces, images_path: Path, tmp_path: Path, place: object, name: str
) -> None:
    assert put_in_pieces(contained("qcow2", DATA, tmp_path)).status_code == 202
    in_a_process_that_dies(place, name, lambda: work_once("local"))
    assert disk_of(image, images_path)[: len(OLD)] == OLD
    assert work_once("local")
    assert disk_of(image, images_path) == DATA


@pytest.mark.parametrize(("place", "name"), STEPS, ids=ids)
def test_a_killed_upload_of_an_archive_leaves_the_old_disk(
    image: Image, images_path: Path, converge: Callable[[], None], place: object, name: str
) -> None:
    whole = packed("zstd", DATA)
    in_a_process_that_dies(place, name, lambda: receive(whole))
    converge()
    assert_old_disk(image, images_path)
    assert (image.state, image.last_error) == (ImageState.READY, "")
    receive(whole)
    assert disk_of(image, images_path) == DATA


@pytest.mark.parametrize(("place", "name"), STEPS, ids=ids)
def test_a_killed_upload_of_a_raw_disk_can_be_gone_on_with(
    image: Image, images_path: Path, converge: Callable[[], None], place: object, name: str
) -> None:
    in_a_process_that_dies(place, name, lambda: receive(DATA))
    converge()
    assert disk_of(image, images_path)[: len(OLD)] == OLD
    assert image.state == ImageState.READY
    start = image.upload_received_bytes or 0
    if not arrival.upload_path(image).exists():
        start = 0
    assert start < len(DATA)
    receive(DATA[start:], f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
    assert disk_of(image, images_path) == DATA


@pytest.mark.parametrize("name", ["begin_soon", "recognise"])
def test_an_upload_killed_at_its_last_byte_is_gone_on_with(
    image: Image, images_path: Path, converge: Callable[[], None], name: str, tmp_path: Path
) -> None:
    whole = contained("qcow2", DATA, tmp_path)
    place = arrival if name == "begin_soon" else content
    half, total = len(whole) // 2, len(whole)
    receive(whole[:half], f"bytes 0-{half - 1}/{total}")
    in_a_process_that_dies(place, name, lambda: receive(whole[half:], f"bytes {half}-{total - 1}/{total}"))
    converge()
    image.refresh_from_db()
    if not Job.objects.exists():
        assert image.state == ImageState.READY
        start = image.upload_received_bytes or 0
        receive(whole[start:], f"bytes {start}-{total - 1}/{total}")
    assert work_once("local")
    assert disk_of(image, images_path) == DATA


def receive(data: bytes, content_range: str = "") -> None:
    content.receive(
        image_id="disk1", stream=CutStream(data), content_length=str(len(data)),
        content_range=content_range, sha256="",
    )  # fmt: skip
