"""SHA-256 of versions: computed by itself once they are frozen, and compared with what they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from images.disk_reading import chain_of, layer_path
from images.jobs.checksum import add_checksum, request_checksums
from images.jobs.round import stop_leftovers, work_once
from images.jobs.running import job_lock
from images.models import Image, ImageState, Job, JobKind, JobState, Layer, Version
from images.qemu import local_store
from netboot_site.locks import advisory_lock
from tests.images.jobs.conftest import SIZE, elsewhere
from tests.images.jobs.disks import MIB, add_version, content, sha256

pytestmark = [pytest.mark.django_db(transaction=True)]
FIRST = {0: b"boot", 2 * MIB: os.urandom(MIB)}
SECOND = {MIB: b"more", 5 * MIB + 512: os.urandom(4096)}


def work(version: Version) -> Version:
    while work_once("local"):
        pass
    version.refresh_from_db()
    return version


def checksums() -> list[str]:
    return list(Job.objects.filter(kind=JobKind.CHECKSUM).values_list("state", flat=True))


def test_a_frozen_versions_checksum_comes_by_itself(image: Image) -> None:
    version = work(add_version(image, FIRST))
    assert version.sha256 == sha256(content(SIZE, FIRST))
    assert version.verified_at is not None
    assert version.last_error == ""
    job = Job.objects.get()
    assert (job.state, job.done_bytes, job.total_bytes) == (JobState.DONE, SIZE, SIZE)
    work_once("local")
    assert checksums() == ["done"], "it is computed once"


@pytest.mark.real_qemu_storage
def test_of_a_chain_it_is_the_whole_disks(image: Image) -> None:
    first = add_version(image, FIRST)
    second = work(add_version(image, SECOND))
    first.refresh_from_db()
    assert first.sha256 == sha256(content(SIZE, FIRST))
    assert second.sha256 == sha256(content(SIZE, FIRST, SECOND))


def test_what_is_still_written_has_none(image: Image) -> None:
    version = add_version(image, FIRST)
    Layer.objects.filter(pk=version.layer_id).update(observed_frozen_at=None)
    assert work(version).sha256 == ""
    assert checksums() == []


def test_a_failed_one_is_tried_again_an_hour_later_a_cancelled_one_never(image: Image) -> None:
    version = add_version(image, FIRST)
    jobs = Job.objects.filter(version=version)
    request_checksums("local")
    jobs.update(state=JobState.FAILED, finished_at=timezone.now() - timedelta(minutes=50))
    request_checksums("local")
    assert checksums() == ["failed"]
    jobs.update(finished_at=timezone.now() - timedelta(minutes=61))
    request_checksums("local")
    assert checksums() == ["waiting", "failed"]
    jobs.update(state=JobState.CANCELLED, finished_at=timezone.now() - timedelta(days=9))
    request_checksums("local")
    assert checksums() == ["cancelled", "cancelled"]


def test_other_nodes_and_deleted_images_are_left_alone(image: Image) -> None:
    add_version(image, FIRST)
    request_checksums("other")
    Image.objects.update(state=ImageState.DELETING)
    request_checksums("local")
    assert checksums() == []


def test_asking_twice_makes_one_job(image: Image) -> None:
    version = add_version(image, FIRST)
    assert add_checksum(version) == add_checksum(version)


def broken_byte(path: Path) -> None:
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(2 * MIB)
        there = file.read(1)[0]
        file.seek(2 * MIB)
        file.write(bytes([there ^ 0xFF]))
    path.chmod(0o444)


def broken_tables(path: Path) -> None:
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(128 * 1024)  # the refcount table is the second cluster
        file.write(b"\xff" * 64)
    path.chmod(0o444)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (broken_byte, "Its content is not what was published: its SHA-256 has changed."),
        (Path.unlink, "The file of layer 1 of disk1 is missing on the storage node."),
        (
            lambda path: path.chmod(0o644),
            "The file of layer 1 of disk1 can be written to; it is to be read-only (0444).",
        ),
    ],
)
def test_damage_is_told_at_the_version(image: Image, damage: Callable[[Path], None], told: str) -> None:
    version = work(add_version(image, FIRST))
    known, verified_at = version.sha256, version.verified_at
    damage(layer_path(version.layer))
    job = add_checksum(version)
    work(version)
    job.refresh_from_db()
    assert (job.state, job.last_error) == (JobState.FAILED, told)
    assert version.last_error == told
    assert version.sha256 == known, "what was published stays known"
    assert version.verified_at is not None
    assert verified_at is not None
    assert version.verified_at > verified_at


@pytest.mark.real_qemu_storage
def test_a_layer_with_broken_tables_is_told(image: Image) -> None:
    add_version(image, FIRST)
    version = work(add_version(image, SECOND))
    broken_tables(layer_path(version.layer))
    add_checksum(version)
    assert work(version).last_error.startswith("The file of layer 2 of disk1 is damaged")


def test_mended_damage_is_forgotten(image: Image) -> None:
    version = work(add_version(image, FIRST))
    layer_path(version.layer).chmod(0o600)
    add_checksum(version)
    assert work(version).last_error
    layer_path(version.layer).chmod(0o444)
    add_checksum(version)
    assert work(version).last_error == ""


@pytest.mark.real_qemu_storage
def test_what_a_killed_job_left_serving_is_ended(image: Image) -> None:
    add_version(image, FIRST)
    version, store = add_version(image, SECOND), local_store()
    store.serve("j123456", chain_of(version.layer), writable=False)
    store.serve("e123456", chain_of(version.layer), writable=False)
    with advisory_lock(job_lock(123456)):
        elsewhere(stop_leftovers)
        assert set(store.observe()) == {"e123456", "j123456"}, "somebody still does this job"
    stop_leftovers()
    assert set(store.observe()) == {"e123456"}, "what is an export's is the converger's"
