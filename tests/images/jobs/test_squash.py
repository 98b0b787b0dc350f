"""A version is moved from a chain of layers to a single one: same content, whatever happens meanwhile."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from images import lineage, services
from images.disk_reading import layer_path, open_layer
from images.jobs import squash
from images.jobs.round import work_once
from images.models import Export, ExportMode, Image, Job, JobKind, JobState, Layer, LayerState, Version
from netboot_site.errors import ConflictError, NotFoundError
from tests.conftest import Api
from tests.images.jobs.conftest import SIZE
from tests.images.jobs.disks import MIB, add_version, content, files_of, sha256
from tests.images.jobs.test_disk_reading import read_all
from tests.images.tgtd import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.real_qemu_storage]
LAYERS = [
    {0: b"one", 3 * MIB: os.urandom(2 * MIB)},
    {MIB: b"two", 4 * MIB: os.urandom(MIB)},
    {0: b"three", SIZE - 512: b"z" * 512},
]
WHOLE = content(SIZE, *LAYERS)


@pytest.fixture
def version(image: Image) -> Version:
    """The third of three, its checksum known."""
    version = [add_version(image, writes) for writes in LAYERS][-1]
    Version.objects.filter(image=image).exclude(pk=version.pk).update(sha256="0" * 64)
    Version.objects.filter(pk=version.pk).update(sha256=sha256(WHOLE))
    version.refresh_from_db()
    return version


def ask(version: Version) -> Job:
    return services.request_squash(image=version.image, number=version.number, author="operator")


def work(job: Job) -> Job:
    while work_once("local"):
        pass
    job.refresh_from_db()
    return job


def read(version: Version) -> bytes:
    fresh = Version.objects.select_related("layer").get(pk=version.pk)
    with open_layer(fresh.layer, "test") as disk:
        return read_all(disk)


def states(image: Image) -> dict[int, str]:
    return dict(Layer.objects.filter(image=image).values_list("number", "state"))


def test_the_content_is_the_same_in_one_frozen_layer(version: Version, image: Image) -> None:
    job = work(ask(version))
    assert (job.state, job.last_error) == (JobState.DONE, "")
    assert (job.created_by, job.progress, job.done_bytes) == ("operator", 1.0, 2 * SIZE)
    version = Version.objects.select_related("layer").get(pk=version.pk)
    layer, path = version.layer, layer_path(version.layer)
    assert (layer.parent, layer.format, layer.state, layer.size_bytes) == (None, "raw", "ready", SIZE)
    assert layer.observed_frozen_at is not None
    assert path.stat().st_mode & 0o777 == 0o444
    assert path.read_bytes() == WHOLE
    assert layer.observed_used_bytes == path.stat().st_blocks * 512 < 4 * MIB, "its zeros take room"
    assert version.sha256 == sha256(WHOLE)
    assert version.verified_at is not None


def test_an_empty_head_moves_on_and_what_nothing_needs_goes(version: Version, image: Image) -> None:
    old = version.layer.number
    work(ask(version))
    version.refresh_from_db()
    image.refresh_from_db()
    head = lineage.head_of(image)
    assert head.parent_id == version.layer_id
    # versions 1 and 2 stay where they were; the old layer of 3 and the head over it are on their way out
    gone = {number for number, state in states(image).items() if state == LayerState.DELETING}
    assert gone == {old, old + 1}


def test_a_head_that_was_written_stays_with_what_it_stands_on(version: Version, image: Image) -> None:
    image.refresh_from_db()
    head = lineage.head_of(image)
    Layer.objects.filter(pk=head.pk).update(used_at=timezone.now())
    old = version.layer
    work(ask(version))
    image.refresh_from_db()
    assert lineage.head_of(image) == head
    assert LayerState.DELETING not in states(image).values()
    assert head.parent == old


def test_a_machine_that_may_start_at_any_moment_keeps_its_head(
    version: Version, image: Image, make_device: Callable[..., Any]
) -> None:
    image.refresh_from_db()
    services.assign_image(image=image, device=make_device(), mode=ExportMode.EXCLUSIVE)
    head = lineage.head_of(image)
    work(ask(version))
    image.refresh_from_db()
    assert lineage.head_of(image) == head


def test_overlays_stay_on_the_old_chain_until_they_are_made_anew(
    version: Version, image: Image, make_device: Callable[..., Any]
) -> None:
    Image.objects.update(state="ready")
    image.refresh_from_db()
    old = version.layer
    export = services.assign_image(image=image, device=make_device(), mode=ExportMode.OVERLAY)
    work(ask(version))
    export = Export.objects.select_related("layer").get(pk=export.pk)
    assert export.layer is not None
    assert export.layer.parent == old
    assert states(image)[old.number] == LayerState.READY
    version.refresh_from_db()
    with transaction.atomic():
        lineage.refresh(export, version)
    assert export.layer.parent == version.layer
    assert states(image)[old.number] == LayerState.DELETING


def test_an_unknown_checksum_is_known_afterwards(version: Version) -> None:
    Version.objects.update(sha256="")
    Job.objects.create(  # nobody computes it before
        image=version.image, version=version, kind=JobKind.CHECKSUM, state=JobState.CANCELLED,
        finished_at=timezone.now(),
    )  # fmt: skip
    ask(version)
    assert work_once("local")
    version.refresh_from_db()
    assert version.sha256 == sha256(WHOLE)


def test_a_copy_that_is_not_what_was_published_does_not_count(version: Version, image: Image) -> None:
    Version.objects.filter(pk=version.pk).update(sha256="f" * 64)
    before = files_of(image)
    job = work(ask(version))
    assert job.state == JobState.FAILED
    assert "differs from what was published" in job.last_error
    assert read(version) == WHOLE
    assert Version.objects.get(pk=version.pk).layer_id == version.layer_id
    assert files_of(image) == before


def kill(*args: Any, **options: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("step", "is_new"),
    [
        ("images.jobs.squash.open_layer", False),
        ("images.jobs.squash._write", False),
        ("images.jobs.squash._compare", False),
        ("images.jobs.squash._publish", False),
        ("images.services.complete_squash", False),  # its file has its name already
        ("images.lineage.retire", False),  # within the transaction
        ("images.jobs.running.finish", True),
    ],
)
def test_a_kill_at_any_step_leaves_the_old_or_the_new_and_the_next_worker_ends_it(
    version: Version, image: Image, monkeypatch: pytest.MonkeyPatch, step: str, is_new: bool
) -> None:
    job = ask(version)
    connection.close()
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(step, kill)
        work_once("local")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert (Version.objects.get(pk=version.pk).layer_id != version.layer_id) == is_new
    assert read(version) == WHOLE
    job.refresh_from_db()
    assert job.state == JobState.RUNNING
    wait_until(lambda: work(job).state == JobState.DONE, 10, "the job is picked up")
    assert read(version) == WHOLE
    assert not [name for name in files_of(image) if name.endswith(".part")]


def test_cancelled_it_leaves_nothing(version: Version, image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    before, copy = files_of(image), squash._write

    def cancelled(*args: Any) -> int:
        services.cancel_job(job=job)
        return copy(*args)

    monkeypatch.setattr(squash, "_write", cancelled)
    job = ask(version)
    assert work(job).state == JobState.CANCELLED
    assert files_of(image) == before
    assert read(version) == WHOLE


def test_a_full_disk_fails_this_job_alone(
    version: Version, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = files_of(image)
    monkeypatch.setattr(squash, "_write", full)
    job = work(ask(version))
    assert (job.state, job.last_error) == (JobState.FAILED, "No room is left on the storage node.")
    assert files_of(image) == before


def test_it_never_takes_the_reserve_from_the_machines(version: Version, image: Image, settings: Any) -> None:
    settings.STORAGE_RESERVE_BYTES = 2**60
    before = files_of(image)
    job = work(ask(version))
    assert job.state == JobState.FAILED
    assert "No room is left" in job.last_error
    assert files_of(image) == before


def test_a_version_that_is_deleted_meanwhile_stops_it(
    version: Version, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, compare = files_of(image), squash._compare

    def deleted(*args: Any) -> None:
        compare(*args)
        Version.objects.filter(pk=version.pk).delete()

    monkeypatch.setattr(squash, "_compare", deleted)
    ask(version)
    assert work_once("local")
    assert files_of(image) == before
    assert not Layer.objects.filter(image=image, parent=None, number__gt=1).exists()


def test_what_cannot_be_squashed_is_told(version: Version, image: Image) -> None:
    with pytest.raises(ConflictError, match="is a single layer already"):
        services.request_squash(image=image, number=1)
    with pytest.raises(NotFoundError, match="no version 9"):
        services.request_squash(image=image, number=9)
    ask(version)
    with pytest.raises(ConflictError, match="is being squashed already"):
        ask(version)
    Layer.objects.filter(pk=version.layer_id).update(observed_frozen_at=None)
    with pytest.raises(ConflictError, match="still being published"):
        ask(version)
    Image.objects.update(state="deleting")
    with pytest.raises(ConflictError, match="is being deleted"):
        ask(version)


def test_over_rest_it_is_a_job(version: Version, image: Image, api: Api) -> None:
    answer = api.post("/api/v1/images/disk1/versions/3/squash")
    assert answer.status_code == 202, answer.content
    told = answer.json()
    assert (told["kind"], told["state"], told["version"], told["created_by"]) == (
        "squash", "waiting", 3, "operator",
    )  # fmt: skip
    work(Job.objects.get(pk=told["id"]))
    assert api.get(f"/api/v1/jobs/{told['id']}").json()["state"] == "done"
    assert api.post("/api/v1/images/disk1/versions/3/squash").status_code == 409
    assert api.post("/api/v1/images/disk1/versions/99/squash").status_code == 404
    assert api.post("/api/v1/images/nothing/versions/1/squash").status_code == 404
