"""Which layers get which rows, and what is not read twice: publish, roll back, clone, merge, squash."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.models import Device
from images import boot_rows, lineage, services
from images.jobs import round as jobs_round
from images.models import Blob, BootFiles, Export, Image, Job, JobKind, Layer, LayerState
from images.services.boot_files import RETRY_AFTER
from tests.conftest import Api
from tests.images.boot_files.disks import FakeReader, boot_partition, files_of, import_disk, kernel_of, row_of
from tests.images.rows import layer_of, log_in

pytestmark = pytest.mark.django_db(transaction=True)
Rounds = Callable[[], list[Job]]


@pytest.fixture
def read_head(head: Layer, rounds: Rounds, reader: FakeReader) -> Layer:
    """Imported and read; whatever is read from now on is read once too often."""
    rounds()
    assert kernel_of(head) == "6.1"
    reader.disks.clear()
    return head


@pytest.fixture
def published(read_head: Layer, rounds: Rounds) -> Layer:
    """The layer of version 1."""
    made = services.publish_version(image=read_head.image)
    rounds()
    return made.layer


def present_head(image_id: str = "pi") -> Layer:
    return lineage.head_of(Image.objects.get(pk=image_id))


def test_a_version_keeps_what_was_read_and_the_head_over_it_has_the_same(
    published: Layer, reader: FakeReader
) -> None:
    assert present_head().pk != published.pk
    assert files_of(present_head()) == files_of(published) != {}
    assert row_of(present_head()).read_at == row_of(published).read_at
    assert reader.disks == [], "the same content was read again"


def test_a_head_that_was_rolled_back_has_the_version_s_files_again(
    published: Layer, rounds: Rounds, reader: FakeReader, image: Image, images_path: Path
) -> None:
    import_disk(image, boot_partition("6.12"), images_path)
    rounds()
    assert kernel_of(present_head()) == "6.12"
    reader.disks.clear()
    services.roll_back(image=Image.objects.get(pk="pi"), number=1)
    rounds()
    assert kernel_of(present_head()) == "6.1"
    assert reader.disks == []


@pytest.mark.parametrize("number", [1, None])
def test_a_clone_has_the_files_of_what_it_was_cloned_from(
    published: Layer, rounds: Rounds, reader: FakeReader, number: int | None
) -> None:
    services.clone_image(image=Image.objects.get(pk="pi"), new_id="pi2", name="Pi 2", number=number)
    rounds()
    assert kernel_of(present_head("pi2")) == "6.1"
    assert reader.disks == []


def test_a_squashed_version_has_its_files_from_the_first_moment(
    published: Layer, rounds: Rounds, image: Image
) -> None:
    second = services.publish_version(image=Image.objects.get(pk="pi"))
    rounds()
    number = services.take_layer_number(image=image)
    services.complete_squash(version=second, number=number, sha256="0" * 64, used_bytes=1)
    squashed = Layer.objects.get(image="pi", number=number)
    assert kernel_of(squashed) == "6.1"
    assert row_of(squashed).state == "ready"


def test_a_fresh_overlay_has_no_files_of_its_own_and_a_merged_one_those_that_were_read(
    published: Layer, rounds: Rounds, reader: FakeReader, make_device: Callable[..., Device],
    server: Any, converge: Callable[[], None],
) -> None:  # fmt: skip
    device = make_device(1, "raspi")
    export = services.assign_image(image=Image.objects.get(pk="pi"), device=device, mode="overlay")
    rounds()
    layer = layer_of(export)
    assert files_of(layer) is None, "it boots with its version's files"
    server.log_in(export.iqn, export.initiator_name)
    converge()
    assert kernel_of(layer) == "6.1", "its machine boots with nothing while it is not read"
    assert row_of(layer).wanted_at > (row_of(layer).read_at or datetime.min.replace(tzinfo=UTC))
    server.log_out(export.iqn)
    converge()
    services.request_boot_files(node="local")
    assert Job.objects.filter(kind=JobKind.BOOT_FILES, finished_at=None).get().layer_id == layer.pk
    Job.objects.all().delete()
    read_at = row_of(layer).read_at
    version = services.merge_disk(device=device)
    converge()
    assert version.layer_id == layer.pk
    assert row_of(layer).read_at == read_at
    services.request_boot_files(node="local")
    assert Job.objects.filter(layer=layer).exists(), "what it has written is forgotten with its merge"


def test_an_overlay_that_is_reset_at_each_boot_is_never_read(
    published: Layer, rounds: Rounds, make_device: Callable[..., Device], server: Any,
    converge: Callable[[], None],
) -> None:  # fmt: skip
    image = Image.objects.get(pk="pi")
    export = services.assign_image(
        image=image, device=make_device(1, "raspi"), mode="overlay", persistence="reset"
    )
    rounds()
    server.log_in(export.iqn, export.initiator_name)
    converge()
    server.log_out(export.iqn)
    converge()
    services.request_boot_files(node="local")
    assert not Job.objects.filter(kind=JobKind.BOOT_FILES, finished_at=None).exists()
    Export.objects.update(persistence="keep")
    services.request_boot_files(node="local")
    assert Job.objects.filter(layer=layer_of(export)).exists()


def test_a_head_that_was_told_to_a_machine_that_never_logged_in_is_read_all_the_same(
    published: Layer, converge: Callable[[], None], make_device: Callable[..., Device]
) -> None:
    image = Image.objects.get(pk="pi")
    services.assign_image(image=image, device=make_device(1, "raspi"))
    converge()
    Export.objects.update(handed_out_at=row_of(published).read_at + RETRY_AFTER)
    services.unassign_image(image=image)
    converge()
    services.request_boot_files(node="local")
    assert Job.objects.filter(layer=present_head(), finished_at=None).exists()


def test_a_clock_that_was_set_back_forgets_no_session(read_head: Layer) -> None:
    BootFiles.objects.update(read_at=datetime(2100, 1, 1, tzinfo=UTC))
    boot_rows.mark_written([read_head.pk])
    row = row_of(read_head)
    assert row.read_at is not None
    assert row.wanted_at > row.read_at


def test_a_layer_that_goes_takes_its_rows_with_it(
    published: Layer, rounds: Rounds, image: Image, images_path: Path
) -> None:
    old = present_head()
    import_disk(image, boot_partition("6.12"), images_path)
    for _ in range(3):
        rounds()
    assert not Layer.objects.filter(pk=old.pk, state=LayerState.READY).exists()
    assert not BootFiles.objects.filter(layer=old.pk).exists()


def test_a_disk_read_without_the_initiator_is_read_again_when_its_packages_come(
    head: Layer, rounds: Rounds, settings: Any, tmp_path: Path, reader: FakeReader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settings.PI_PACKAGES_PATH = tmp_path / "arm64"
    monkeypatch.setattr("images.jobs.boot_files.find_initiator", lambda work: None)
    rounds()
    rounds()
    assert len(reader.disks) == 1, "it is read again and again"
    settings.PI_PACKAGES_PATH.mkdir()
    rounds()
    assert len(reader.disks) == 2, "nobody noticed that the packages have come"


def test_trouble_of_the_node_leaves_a_disk_that_was_read_ready_to_boot(
    read_head: Layer, rounds: Rounds, reader: FakeReader
) -> None:
    def fail(work: Path) -> None:
        raise OSError(5, "x", "/secret")

    reader.during = fail
    boot_rows.mark_written([read_head.pk])
    jobs = rounds()
    assert jobs[-1].state == "failed"
    row = row_of(read_head)
    assert (row.state, kernel_of(read_head)) == ("ready", "6.1")
    assert row.last_error == "The storage node could not read or write its files."
    assert len(rounds()) == len(jobs), "it is tried again and again"


@pytest.mark.parametrize("count", [1, 15])
def test_a_quiet_round_of_the_jobs_worker_costs_the_same_for_one_image_and_for_fifteen(
    make_image: Callable[..., Image], make_device: Callable[..., Device], rounds: Rounds, images_path: Path,
    monkeypatch: pytest.MonkeyPatch, count: int,
) -> None:  # fmt: skip
    for number in range(count):
        image = make_image(f"pi{number}", device_type="raspi")
        import_disk(image, boot_partition("6.1"), images_path)
        log_in(services.assign_image(image=image, device=make_device(number, "raspi")))
    rounds()
    asked: list[bool] = []
    monkeypatch.setattr("images.jobs.round.services.remove_unused_blobs", lambda: asked.append(True))
    with CaptureQueriesContext(connection) as queries:
        assert not jobs_round.work_once("local")
    # the heartbeat's four, versions without a checksum, boot files that are wanted, unfinished jobs
    assert len(queries) <= 7, [query["sql"] for query in queries]


def test_contents_that_nothing_names_go_at_a_full_minute(
    read_head: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.store_blob(source=b"of nothing")
    Blob.objects.update(created_at=datetime(2020, 1, 1, tzinfo=UTC))
    monkeypatch.setattr("images.jobs.round.timezone.now", lambda: datetime(2026, 1, 1, 0, 0, 7, tzinfo=UTC))
    jobs_round.work_once("local")
    assert Blob.objects.count() == 3
    monkeypatch.setattr("images.jobs.round.timezone.now", lambda: datetime(2026, 1, 1, 0, 1, 0, tzinfo=UTC))
    jobs_round.work_once("local")
    assert Blob.objects.count() == 2, "the content of nothing is kept, or one of a disk was removed"


def test_the_api_tells_of_the_head_s_boot_files(
    image: Image, rounds: Rounds, images_path: Path, api: Api, make_image: Callable[..., Image]
) -> None:
    make_image("pc")
    assert api.get("/api/v1/images/pc").json()["boot_files"] is None
    layer = import_disk(image, boot_partition("6.1"), images_path)
    assert api.get("/api/v1/images/pi").json()["boot_files"] is None
    BootFiles.objects.create(layer=layer, wanted_at=layer.created_at)
    waiting = {"state": "waiting", "read_at": None, "last_error": "", "warnings": [], "kernels": []}
    assert api.get("/api/v1/images/pi").json()["boot_files"] == waiting
    rounds()
    told = api.get("/api/v1/images/pi").json()["boot_files"]
    assert told["read_at"]
    assert told["warnings"] == ["It has no initramfs."]
    assert told["kernels"] == [{"file": "kernel8.img", "release": "6.1", "bits": 64}]
    jobs = api.get("/api/v1/jobs?image=pi").json()
    assert [(job["kind"], job["image_id"], job["progress"]) for job in jobs] == [("boot-files", "pi", 1.0)]
