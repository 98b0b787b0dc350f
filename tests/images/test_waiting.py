"""What something waits for is told in one sentence, with names."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from devices.models import Device
from images.models import Export, Image, Job, JobKind, JobState, Layer, Session, StorageNode, Version
from images.services import assign_image, publish_version
from images.waiting import waits_of
from netboot_site.formats import GIB
from netboot_site.heartbeat import beat
from netboot_site.models import Heartbeat
from tests.conftest import Api
from tests.images.rows import log_in, settle

SINCE = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
TOLD = "logged in at 10.0.0.7 since 2026-11-23 14:05 UTC"


@pytest.fixture
def at_work(node: StorageNode) -> StorageNode:
    """A node that was seen just now, with room."""
    StorageNode.objects.update(
        observed_at=timezone.now(), observed_target_server="ready", observed_free_bytes=9 * GIB,
        observed_reserve_bytes=GIB,
    )  # fmt: skip
    beat("storage.local.jobs")
    node.refresh_from_db()
    return node


@pytest.fixture
def writer(make_image: Callable[..., Image], make_device: Callable[..., Device]) -> Export:
    """A device at its own disk, logged in."""
    export = assign_image(image=make_image("disk1"), device=make_device(7))
    settle()
    log_in(export)
    Session.objects.update(address="10.0.0.7", started_at=SINCE)
    return Export.objects.select_related("image", "device").get(pk=export.pk)


def told_of(row: Any) -> list[str]:
    row.refresh_from_db()
    return waits_of(row)


def job_of(image: Image, kind: str = JobKind.IMPORT, **fields: Any) -> Job:
    return Job.objects.create(image=image, kind=kind, **fields)


def test_what_is_well_waits_for_nothing(at_work: StorageNode, overlay: Export) -> None:
    version = Version.objects.get()
    assert [told_of(row) for row in (overlay, overlay.image, version, overlay.layer)] == [[], [], [], []]


def test_a_version_waits_for_whoever_writes_its_disk(at_work: StorageNode, writer: Export) -> None:
    version = publish_version(image=writer.image)
    told = told_of(version)
    assert told == [f"Version 1 of disk1 is waiting for lab1-07 to log out ({TOLD}; then it is frozen)."]
    assert told[0] in told_of(writer.image)


def test_a_grown_disk_waits_for_its_device(at_work: StorageNode, writer: Export) -> None:
    Image.objects.update(size_bytes=40 * GIB, observed_size_bytes=GIB)
    assert told_of(writer.image) == [
        f"The new size of disk1 (40 GiB) is waiting for lab1-07 to log out ({TOLD})."
    ]


def test_the_removal_of_an_image_waits_for_who_is_still_there(at_work: StorageNode, writer: Export) -> None:
    Image.objects.update(state="deleting")
    assert told_of(writer.image)[0] == f"The removal of disk1 is waiting for lab1-07 to log out ({TOLD})."


def test_a_disk_waits_for_another_device_at_its_target(at_work: StorageNode, writer: Export) -> None:
    Export.objects.update(observed_state="waiting")
    assert told_of(writer) == [f"The disk of lab1-07 is waiting for lab1-07 to log out ({TOLD})."]


def test_an_overlay_waits_for_the_version_under_it(
    at_work: StorageNode, writer: Export, make_device: Callable[..., Device]
) -> None:
    publish_version(image=writer.image)
    export = assign_image(image=writer.image, device=make_device(8), mode="overlay")
    assert "Version 1 of disk1 is waiting for lab1-07 to log out" in waits_of(export)[0]


def test_a_stranger_is_called_by_its_initiator_name(at_work: StorageNode, writer: Export) -> None:
    Session.objects.update(initiator_name="iqn.1993-08.org.debian:01:abc", address=None)
    version = publish_version(image=writer.image)
    assert (
        "waiting for iqn.1993-08.org.debian:01:abc to log out (logged in since 2026" in waits_of(version)[0]
    )


def test_of_many_devices_the_first_are_named(at_work: StorageNode, writer: Export) -> None:
    for number in range(5):
        Session.objects.create(
            iqn=writer.iqn, handle=f"2-{number}", image=writer.image, initiator_name=f"iqn.x:{number}",
            started_at=SINCE,
        )  # fmt: skip
    version = publish_version(image=writer.image)
    assert "waiting for iqn.x:0, iqn.x:1, iqn.x:2 and 3 more to log out" in waits_of(version)[0]


def test_a_node_that_is_away_is_waited_for(at_work: StorageNode, overlay: Export) -> None:
    StorageNode.objects.update(observed_at=SINCE)
    assert told_of(overlay) == [
        "The disk of lab1-01 is waiting for the storage node local, which has been away since "
        "2026-11-23 14:05 UTC."
    ]


def test_a_target_server_that_is_down_is_waited_for(at_work: StorageNode, overlay: Export) -> None:
    StorageNode.objects.update(observed_target_server="down")
    assert told_of(overlay) == [
        "The disk of lab1-01 is waiting for the iSCSI target server of local, which does not answer."
    ]


def test_a_paused_disk_tells_how_much_room_is_short(at_work: StorageNode, overlay: Export) -> None:
    Export.objects.update(observed_state="paused")
    StorageNode.objects.update(observed_free_bytes=GIB // 4)
    assert told_of(overlay) == [
        "The disk of lab1-01 is waiting for room on the storage node local, which is 768 MiB short of its "
        "reserve."
    ]


def test_a_new_image_waits_for_its_node(at_work: StorageNode, make_image: Callable[..., Image]) -> None:
    image = make_image("disk2")
    assert told_of(image) == ["The disk of disk2 is being made."]
    StorageNode.objects.update(observed_at=None)
    assert told_of(image) == [
        "The disk of disk2 is waiting for the storage node local, which has not been seen at work yet."
    ]


def test_an_upload_that_is_not_whole_is_waited_for(
    at_work: StorageNode, make_image: Callable[..., Image]
) -> None:
    image = make_image("disk2")
    Image.objects.update(state="importing", upload_received_bytes=GIB // 2, upload_total_bytes=8 * GIB)
    assert told_of(image) == ["disk2 is waiting for its upload: 512 MiB of 8 GiB are here."]


def test_a_layer_that_is_to_go_waits_for_who_is_at_it(at_work: StorageNode, writer: Export) -> None:
    layer = Layer.objects.get()
    Layer.objects.update(state="deleting")
    assert told_of(layer) == [f"The removal of layer 1 of disk1 is waiting for lab1-07 to log out ({TOLD})."]


def test_a_job_waits_for_the_ones_before_it(at_work: StorageNode, published: Image) -> None:
    version = Version.objects.get()
    last = job_of(published, JobKind.CHECKSUM, version=version)
    assert told_of(last) == ["The checksum of version 1 of disk1 is about to begin."]
    running = job_of(published, state=JobState.RUNNING, done_bytes=42, total_bytes=100)
    job_of(published, JobKind.SQUASH, version=version)
    assert told_of(last) == [
        f"The checksum of version 1 of disk1 is waiting for the import into disk1 (job {running.pk}, 42 %), "
        f"and for 1 more."
    ]
    assert told_of(running) == []


def test_a_download_keeps_no_job_waiting(at_work: StorageNode, published: Image) -> None:
    job_of(published, JobKind.EXPORT, state=JobState.RUNNING)
    assert told_of(job_of(published)) == ["The import into disk1 is about to begin."]


def test_a_job_waits_for_a_worker_that_is_away(at_work: StorageNode, published: Image) -> None:
    job = job_of(published, state=JobState.RUNNING)
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(hours=1))
    assert "is waiting for the storage node local, whose worker has been away since" in told_of(job)[0]


def test_the_api_tells_what_an_image_waits_for(api: Api, at_work: StorageNode, writer: Export) -> None:
    publish_version(image=writer.image)
    told = api.get("/api/v1/images/disk1").json()["waits_for"]
    assert told[0].startswith("Version 1 of disk1 is waiting for lab1-07 to log out"), told
    assert api.get("/api/v1/images").json()[0]["waits_for"] == told


def test_the_api_tells_what_a_disk_and_a_job_wait_for(
    api: Api, at_work: StorageNode, overlay: Export
) -> None:
    job = job_of(overlay.image)
    StorageNode.objects.update(observed_target_server="down")
    disk = api.get(f"/api/v1/devices/{overlay.device.mac}/disk").json()
    assert disk["waits_for"] == waits_of(overlay)
    told = "The import into disk1 is about to begin."
    assert api.get(f"/api/v1/jobs/{job.pk}").json()["waits_for"] == [told]
    assert api.get("/api/v1/jobs").json()[0]["waits_for"] == [told]


def test_a_refusal_names_the_device_and_since_when(api: Api, at_work: StorageNode, writer: Export) -> None:
    answer = api.put("/api/v1/images/disk1/unassign")
    assert answer.status_code == 409
    assert "in use by lab1-07 (10.0.0.7, logged in since 2026-11-23 14:05 UTC)" in answer.json()["detail"]


@pytest.mark.parametrize("count", [1, 12])
def test_as_many_queries_for_one_image_as_for_many(
    api: Api, at_work: StorageNode, make_published: Callable[..., Image],
    make_device: Callable[..., Device], django_assert_num_queries: Any, count: int,
) -> None:  # fmt: skip
    for number in range(count):
        image = make_published(f"disk{number}")
        log_in(assign_image(image=image, device=make_device(number), mode="overlay"))
    with django_assert_num_queries(14):
        assert len(api.get("/api/v1/images").json()) == count
