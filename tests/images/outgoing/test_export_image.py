"""manage.py export_image: a file that is whole, or an empty one and a sentence."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from images.disk_reading import layer_path
from images.models import Image, ImageState, Job, JobState, Version
from tests.images.jobs.conftest import SIZE
from tests.images.jobs.disks import MIB, add_version, content

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.real_qemu_storage]
FIRST, SECOND = {0: b"boot", 2 * MIB: b"x" * MIB}, {MIB: b"more"}


@pytest.fixture
def versions(image: Image) -> list[Version]:
    found = [add_version(image, FIRST), add_version(image, SECOND)]
    Image.objects.update(state=ImageState.READY)
    return found


def export(*words: str) -> str:
    out = io.StringIO()
    call_command("export_image", "disk1", *words, stdout=out)
    return out.getvalue()


def test_a_version_is_written_as_the_files_ending_says(versions: list[Version], tmp_path: Path) -> None:
    assert export(str(tmp_path / "a.img"), "--version=1") == f"{SIZE} bytes of disk1-v1.raw\n"
    assert (tmp_path / "a.img").read_bytes() == content(SIZE, FIRST)
    export(str(tmp_path / "b.zst"))
    subprocess.run(["zstd", "-dq", str(tmp_path / "b.zst"), "-o", str(tmp_path / "b.raw")], check=True)
    assert (tmp_path / "b.raw").read_bytes() == content(SIZE, FIRST, SECOND)
    export(str(tmp_path / "c"), "--format=qcow2", "--version=2")
    subprocess.run(
        ["qemu-img", "compare", "-f", "qcow2", "-F", "raw", str(tmp_path / "c"), str(tmp_path / "b.raw")],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert set(Job.objects.values_list("state", "created_by")) == {(JobState.DONE, "manage.py")}


def test_a_file_that_is_there_is_never_overwritten(versions: list[Version], tmp_path: Path) -> None:
    (tmp_path / "a.img").write_text("mine")
    with pytest.raises(CommandError, match=r"There is a file .* already"):
        export(str(tmp_path / "a.img"))
    assert (tmp_path / "a.img").read_text() == "mine"


def test_what_fails_leaves_an_empty_file_and_says_why(versions: list[Version], tmp_path: Path) -> None:
    layer_path(versions[0].layer).unlink()
    with pytest.raises(CommandError, match="is missing on the storage node"):
        export(str(tmp_path / "a.img"), "--version=1")
    assert (tmp_path / "a.img").read_bytes() == b""
    with pytest.raises(CommandError, match="no version 9"):
        export(str(tmp_path / "b.img"), "--version=9")
    assert not (tmp_path / "b.img").exists()
