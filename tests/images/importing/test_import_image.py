"""manage.py import_image: a file or a URL becomes an image, watched at a terminal."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError, OutputWrapper

from images.management.commands.import_image import LineProgress, progress_words
from images.models import Image, ImageState, Job, JobState
from netboot_site.formats import GIB
from tests.images.importing.conftest import MIB, assert_old_disk, disk_of
from tests.images.importing.test_import_in_pieces import CONTAINERS, contained
from tests.images.importing.test_put_archive import FORMATS, packed
from tests.images.importing.web import serving

DATA = os.urandom(MIB) + bytes(12 * MIB) + os.urandom(MIB)
pytestmark = pytest.mark.usefixtures("same_user")


@pytest.fixture
def same_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite goes on after the command."""
    monkeypatch.setattr("netboot_site.system.act_as_owner_of", lambda path: None)


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("import_image", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.mark.parametrize("kind", ["raw", *FORMATS, *CONTAINERS])
def test_a_file_becomes_the_disk_in_it(image: Image, images_path: Path, tmp_path: Path, kind: str) -> None:
    whole = (
        DATA if kind == "raw" else packed(kind, DATA) if kind in FORMATS else contained(kind, DATA, tmp_path)
    )
    (tmp_path / "some disk").write_bytes(whole)
    assert run("disk1", str(tmp_path / "some disk")).startswith("disk1: 0.01 GiB")
    assert disk_of(image, images_path)[: len(DATA)] == DATA
    assert (image.state, Job.objects.get().state) == (ImageState.READY, JobState.DONE)
    assert (tmp_path / "some disk").read_bytes() == whole


def test_a_url_becomes_the_disk_behind_it(image: Image, images_path: Path, settings: Any) -> None:
    settings.IMPORT_FROM_LOOPBACK = True
    with serving(packed("xz", DATA)) as web:
        run("disk1", f"{web.url}/disk.img.xz")
    assert disk_of(image, images_path) == DATA


def test_an_image_is_made_where_it_is_asked_for(
    node: object,
    converge: Callable[[], None],
    images_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def made(image: Image) -> Image:
        converge()
        image.refresh_from_db()
        return image

    monkeypatch.setattr("images.management.commands.import_image.when_made", made)
    (tmp_path / "disk").write_bytes(DATA)
    run("new", str(tmp_path / "disk"), "--create", "--name", "New one", "--device-type", "raspi")
    image = Image.objects.get(pk="new")
    assert (image.name, image.device_type, image.size_bytes) == ("New one", "raspi", len(DATA))
    assert disk_of(image, images_path) == DATA


@pytest.mark.parametrize(
    ("image_id", "source", "says"),
    [("nope", "disk", "no image"), ("disk1", "none", "There is no file"), ("disk1", "ftp://a/b", "http://"),
     ("disk1", ".", "no regular file")],
)  # fmt: skip
def test_what_cannot_be_is_told(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image_id: str, source: str, says: str
) -> None:
    (tmp_path / "disk").write_bytes(DATA)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=says):
        run(image_id, source)
    assert Job.objects.count() == 0


def test_a_damaged_file_leaves_the_old_disk_and_says_why(
    image: Image, images_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "disk").write_bytes(packed("xz", DATA)[:-50])
    with pytest.raises(CommandError, match="damaged or cut off"):
        run("disk1", str(tmp_path / "disk"))
    assert_old_disk(image, images_path)
    assert (image.state, "damaged" in image.last_error) == (ImageState.READY, True)


def test_ctrl_c_cancels_it_and_convergence_clears_away(
    image: Image,
    images_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    converge: Callable[[], None],
) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LineProgress, "report", interrupted)
    (tmp_path / "disk").write_bytes(DATA)
    with pytest.raises(CommandError, match="Cancelled"):
        run("disk1", str(tmp_path / "disk"))
    assert Job.objects.get().state == JobState.CANCELLED
    converge()
    assert_old_disk(image, images_path)
    assert (image.state, image.last_error) == (ImageState.READY, "")


def test_the_line_tells_how_far_it_is(image: Image) -> None:
    out = io.StringIO()
    job = Job.objects.create(image=image, kind="import")
    LineProgress(job, OutputWrapper(out)).report(GIB, 4 * GIB)
    assert out.getvalue() == "\r 25 % of 4.00 GiB"
    assert progress_words(GIB, None) == "    1.00 GiB"
