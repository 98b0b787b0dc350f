"""Pieces of an archive, and virtual machines' formats: kept until all is there, then made into the disk."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse

from images.models import Image, ImageState, Job, JobState
from tests.conftest import Api
from tests.images.importing.conftest import MIB, Put, assert_old_disk, disk_of
from tests.images.importing.test_put_archive import FORMATS, packed

DATA = os.urandom(2 * MIB) + bytes(12 * MIB) + os.urandom(2 * MIB)
CONTAINERS = {
    "qcow2": ["qcow2"], "qcow2 compressed": ["qcow2", "-c"], "vmdk": ["vmdk"],
    "vmdk stream": ["vmdk", "-o", "subformat=streamOptimized"], "vhdx": ["vhdx"], "vhd": ["vpc"],
    "vdi": ["vdi"],
}  # fmt: skip
Pieces = Callable[..., HttpResponse]


def contained(kind: str, data: bytes, folder: Path) -> bytes:
    driver, *options = CONTAINERS[kind]
    (folder / "plain.raw").write_bytes(data)
    argv = ["qemu-img", "convert", "-f", "raw", "-O", driver, *options, "plain.raw", "made.disk"]
    subprocess.run(argv, cwd=folder, check=True)
    return (folder / "made.disk").read_bytes()


@pytest.mark.parametrize("kind", FORMATS)
def test_pieces_of_an_archive_become_the_disk_in_it(
    image: Image, put_in_pieces: Pieces, work: Callable[[], Job], images_path: Path, kind: str, api: Api
) -> None:
    whole = packed(kind, DATA)
    answer = put_in_pieces(whole, f"?sha256={hashlib.sha256(whole).hexdigest()}")
    assert answer.status_code == 202, answer.content
    assert (answer.json()["state"], answer.json()["progress"]) == ("importing", 0.0)
    job = work()
    assert (job.state, job.last_error) == (JobState.DONE, "")
    shown = api.get("/api/v1/images/disk1").json()
    assert (shown["state"], shown["progress"], shown["last_error"]) == ("ready", 1.0, "")
    assert disk_of(image, images_path) == DATA
    assert [path.name for path in (images_path / "disk1").iterdir() if "part" in path.name] == []


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_virtual_machine_s_format_becomes_the_disk_in_it(
    image: Image, put_in_pieces: Pieces, work: Callable[[], Job], images_path: Path, tmp_path: Path,
    kind: str, pieces: int,
) -> None:  # fmt: skip
    assert put_in_pieces(contained(kind, DATA, tmp_path), pieces=pieces).status_code == 202
    job = work()
    assert (job.state, job.last_error) == (JobState.DONE, "")
    assert (job.done_bytes, job.total_bytes) == (image_size(image), image_size(image))
    disk = disk_of(image, images_path)
    assert (disk[: len(DATA)], set(disk[len(DATA) :])) in [(DATA, set()), (DATA, {0})]
    used = (images_path / image.head_name).stat().st_blocks * 512
    assert used <= 5 * MIB, f"{used} bytes of 4 MiB of data: zeros take room"


def image_size(image: Image) -> int:
    image.refresh_from_db()
    return image.size_bytes


def hostile(folder: Path, secret: Path) -> dict[str, bytes]:
    """Files of ours that name another file of the host, which qemu would read."""
    raw, made = folder / "bait.raw", {}
    raw.write_bytes(bytes(MIB))
    for name, options in {
        "qcow2 with a backing file": ["-f", "qcow2", "-b", str(secret), "-F", "raw"],
        "qcow2 with a data file": ["-f", "qcow2", "-o", f"data_file={raw},data_file_raw=on"],
    }.items():
        size = [] if "-b" in options else ["1M"]
        subprocess.run(["qemu-img", "create", "-q", *options, str(folder / "x"), *size], check=True)
        made[name] = (folder / "x").read_bytes()
        (folder / "x").unlink()
    extent = f'RW 2048 FLAT "{secret}" 0'
    made["vmdk that is a list of files"] = (
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
        f'createType="monolithicFlat"\n{extent}\nddb.adapterType = "ide"\n'
    ).encode()
    made["json that names a file"] = f'json:{{"file.filename": "{secret}"}}'.encode()
    return made


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize(
    "name", ["qcow2 with a backing file", "qcow2 with a data file", "vmdk that is a list of files"]
)
def test_what_names_another_file_is_refused(
    image: Image, put_in_pieces: Pieces, images_path: Path, tmp_path: Path, name: str, pieces: int
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"the host's own" * 100_000)
    answer = put_in_pieces(hostile(tmp_path, secret)[name], pieces=pieces)
    assert answer.status_code == 422, answer.content
    assert str(tmp_path) not in answer.json()["detail"]
    assert_old_disk(image, images_path)
    assert (image.state, Job.objects.count()) == (ImageState.READY, 0)


def test_an_extent_smuggled_into_a_vmdk_is_never_read(
    image: Image, put_in_pieces: Pieces, work: Callable[[], Job], images_path: Path, tmp_path: Path
) -> None:
    """The descriptor lies inside a monolithic file, where it may name others, too."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"the host's own" * 100_000)
    whole = bytearray(contained("vmdk", DATA, tmp_path))
    at = whole.index(b"RW ")
    line = b'RW 2048 FLAT "' + str(secret).encode() + b'" 0\n'
    whole[at : at + len(line)] = line
    if put_in_pieces(bytes(whole)).status_code == 202:
        work()
    assert b"the host's own" not in disk_of(image, images_path)


@pytest.mark.parametrize("cut", [1, 512, 70_000])
@pytest.mark.parametrize("kind", ["qcow2", "qcow2 compressed", "vmdk", "vmdk stream", "vhdx", "vdi"])
def test_a_truncated_container_fails_and_the_old_disk_stays(
    image: Image, put_in_pieces: Pieces, work: Callable[[], Job], images_path: Path, tmp_path: Path,
    kind: str, cut: int,
) -> None:  # fmt: skip
    answer = put_in_pieces(contained(kind, os.urandom(3 * MIB), tmp_path)[:-cut])
    if answer.status_code == 202:
        job = work()
        assert (job.state, bool(job.last_error)) == (JobState.FAILED, True)
        image.refresh_from_db()
        assert (image.state, image.last_error) == (ImageState.READY, job.last_error)
    else:
        assert answer.status_code == 422
    assert_old_disk(image, images_path)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_archive_in_pieces_fails_and_says_why(
    image: Image, put_in_pieces: Pieces, work: Callable[[], Job], images_path: Path, api: Api, kind: str
) -> None:
    whole = packed(kind, DATA)
    assert put_in_pieces(whole[: len(whole) // 2]).status_code == 202
    job = work()
    assert job.state == JobState.FAILED
    assert "damaged or cut off" in job.last_error
    assert_old_disk(image, images_path)
    assert (image.state, image.last_error) == (ImageState.READY, job.last_error)
    assert api.get("/api/v1/images/disk1").json()["last_error"] == job.last_error


def test_the_reason_stays_in_sight_until_an_import_succeeds(
    image: Image, put_in_pieces: Pieces, work: Callable[[], Job], converge: Callable[[], None], put: Put
) -> None:
    assert put_in_pieces(packed("xz", DATA)[:-50]).status_code == 202
    reason = work().last_error
    converge()
    image.refresh_from_db()
    assert (image.state, image.last_error) == (ImageState.READY, reason)
    assert put(packed("xz", DATA)).status_code == 202
    converge()
    image.refresh_from_db()
    assert (image.state, image.last_error) == (ImageState.READY, "")


def test_an_image_with_nothing_in_it_has_failed_with_its_import(
    make_image: Callable[..., Image], put_in_pieces: Pieces, work: Callable[[], Job],
    converge: Callable[[], None], put: Put,
) -> None:  # fmt: skip
    image = make_image("disk1", 8 * MIB)
    converge()
    assert put_in_pieces(packed("xz", DATA)[:-50]).status_code == 202
    work()
    for _ in range(2):
        image.refresh_from_db()
        assert image.state == ImageState.FAILED
        assert "damaged or cut off" in image.last_error
        converge()
    assert put(packed("xz", DATA)).status_code == 202
    converge()
    image.refresh_from_db()
    assert (image.state, image.last_error) == (ImageState.READY, "")


def test_a_bomb_in_pieces_fails(
    image: Image, put_in_pieces: Pieces, work: Callable[[], Job], images_path: Path
) -> None:
    assert put_in_pieces(packed("zstd", b"A" * (100 * MIB))).status_code == 202
    assert "as a bomb does" in work().last_error
    assert_old_disk(image, images_path)


def test_a_container_larger_than_the_limit_is_refused(
    image: Image, put_in_pieces: Pieces, work: Callable[[], Job], images_path: Path, tmp_path: Path,
    settings: Any,
) -> None:  # fmt: skip
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(tmp_path / "x"), "50T"], check=True)
    assert put_in_pieces((tmp_path / "x").read_bytes()).status_code == 202
    assert "IMPORT_MAX_BYTES" in work().last_error
    assert_old_disk(image, images_path)


def test_a_cancelled_import_leaves_the_old_disk(
    image: Image, put_in_pieces: Pieces, images_path: Path, converge: Callable[[], None], api: Api
) -> None:
    assert put_in_pieces(packed("xz", DATA)).status_code == 202
    job = Job.objects.get()
    assert api.delete(f"/api/v1/jobs/{job.pk}").status_code == 202
    converge()
    image.refresh_from_db()
    assert (image.state, image.last_error) == (ImageState.READY, "")
    assert_old_disk(image, images_path)


def test_while_a_job_imports_nothing_else_changes_the_image(
    image: Image, put_in_pieces: Pieces, put: Put, api: Api, converge: Callable[[], None]
) -> None:
    assert put_in_pieces(packed("xz", DATA)).status_code == 202
    converge()
    assert put(b"other").status_code == 409
    assert api.post("/api/v1/images/disk1/import", {"url": "http://203.0.113.1/x"}).status_code == 409
    assert api.delete("/api/v1/images/disk1").status_code == 409
    assert api.post("/api/v1/images/disk1/versions", {}).status_code == 409
    assert api.post("/api/v1/images/disk1/resize", {"size_gb": 2}).status_code == 409
    image.refresh_from_db()
    assert image.state == ImageState.IMPORTING
