"""GET of images and of storage."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device
from images import services
from images.models import Image, Job, JobState, StorageNode
from netboot_site.formats import GIB
from tests.conftest import Api


def test_an_image_says_who_has_it(
    api: Api, make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    services.assign_image(image=make_image(), device=make_device(1))
    body = api.get("/api/v1/images/disk1").json()
    assert body["assigned_to"] == "52:54:00:00:00:01"
    assert "secret" not in str(body).lower()


def test_with_overlays_it_names_the_exclusive_one_else_the_only_one_else_nobody(
    api: Api, published: Image, make_device: Callable[..., Device]
) -> None:
    first, second, third = (make_device(number) for number in (1, 2, 3))

    def assigned_to() -> str | None:
        answer: str | None = api.get("/api/v1/images/disk1").json()["assigned_to"]
        return answer

    services.assign_image(image=published, device=first, mode="overlay")
    assert assigned_to() == first.mac
    services.assign_image(image=published, device=second, mode="overlay")
    assert assigned_to() is None
    services.assign_image(image=published, device=third)
    assert assigned_to() == third.mac


def test_an_image_tells_its_versions_channels_and_exports(
    api: Api, published: Image, make_device: Callable[..., Device]
) -> None:
    services.promote(image=published, channel="test", number=1)
    services.assign_image(image=published, device=make_device(1), mode="overlay", persistence="reset")
    body = api.get("/api/v1/images/disk1").json()
    version = body["versions"][0]
    assert version.pop("created_at")
    assert version == {
        "number": 1, "comment": "first", "created_by": "ann", "size_bytes": GIB, "sha256": None,
        "state": "ready", "verified_at": None, "last_error": "", "channels": ["test"],
    }  # fmt: skip
    assert (body["channels"], body["node"], body["contents"], body["jobs"]) == (
        {"test": 1, "production": None}, "local", {}, [],
    )  # fmt: skip
    assert body["exports"] == [
        {"mac": "52:54:00:00:00:01", "mode": "overlay", "persistence": "reset", "follows": "", "version": 1,
         "state": "pending", "last_error": "", "used_bytes": None}
    ]  # fmt: skip


def test_an_image_tells_the_work_that_goes_on_and_what_failed_last(
    api: Api, make_image: Callable[..., Image]
) -> None:
    image, now = make_image(), timezone.now()
    for text in ("first", "last"):
        Job.objects.create(
            image=image, kind="import", state=JobState.FAILED, last_error=text, finished_at=now
        )
    Job.objects.create(image=image, kind="import", state=JobState.DONE, finished_at=now)
    running = Job.objects.create(image=image, kind="import", state="running", done_bytes=1, total_bytes=4)
    shown = {job["id"]: job for job in api.get("/api/v1/images/disk1").json()["jobs"]}
    assert [job["last_error"] for job in shown.values() if job["state"] == "failed"] == ["last"]
    assert (len(shown), shown[running.pk]["progress"], shown[running.pk]["kind"]) == (2, 0.25, "import")


def test_an_unknown_image_is_404(api: Api, node: StorageNode) -> None:
    for image_id in ("nope", "DISK1", "a" * 300, "%00", "..%2f..%2fetc"):
        answer = api.get(f"/api/v1/images/{image_id}")
        assert answer.status_code == 404, image_id


@pytest.mark.parametrize("count", [1, 20])
def test_the_list_costs_the_same_for_one_and_for_twenty(
    api: Api, make_published: Callable[..., Image], make_device: Callable[..., Device], count: int
) -> None:
    for number in range(1, count + 1):
        image = make_published(f"disk{number}")
        services.publish_version(image=image)
        services.promote(image=image, channel="test", number=2)
        services.assign_image(image=image, device=make_device(number))
        services.assign_image(image=image, device=make_device(100 + number), mode="overlay")
        Job.objects.create(image=image, kind="checksum")
    api.get("/api/v1/images")  # the token's last use is noted now
    with CaptureQueriesContext(connection) as queries:
        assert len(api.get("/api/v1/images").json()) == count
    # token, images, exports, versions, channels, jobs, heads with their boot files; sessions, nodes,
    # heartbeats, all unfinished jobs, their count
    assert len(queries) == 12, [query["sql"] for query in queries]


def test_storage_tells_what_is_promised_and_what_is_left(
    api: Api, make_image: Callable[..., Image], converge: Callable[[], None]
) -> None:
    make_image("a", 3 * GIB)
    make_image("b", 5 * GIB)
    converge()
    (node,) = api.get("/api/v1/storage").json()
    assert node["committed_bytes"] == 8 * GIB
    assert node["capacity_bytes"] >= node["free_bytes"] > 0
    assert node["used_bytes"] < GIB
    assert (node["name"], node["target_server"], node["image_count"]) == ("local", "ready", 2)
