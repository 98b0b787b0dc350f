"""Long work on pages: bars with rate and time left, filters, an end that is asked for twice."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from images.models import Image, Job, JobKind, JobState, Layer, StorageNode, Version
from images.services import register_node
from netboot_site.formats import GIB
from tests.conftest import Api
from tests.images.rows import publish, settle

HTMX = {"HX-Request": "true"}


def job_of(image: Image, **fields: Any) -> Job:
    return Job.objects.create(image=image, **{"kind": JobKind.IMPORT, **fields})


def running(image: Image, **fields: Any) -> Job:
    """Ten seconds old, half done."""
    begun = timezone.now() - timedelta(seconds=10)
    known = {"state": JobState.RUNNING, "started_at": begun, "done_bytes": GIB, "total_bytes": 2 * GIB}
    return job_of(image, **{**known, **fields})


@pytest.mark.parametrize("path", ["/jobs/", "/storage/", "/images/disk1/"])
def test_a_bar_has_values_a_rate_and_the_time_left(
    viewer_client: Client, published: Image, path: str
) -> None:
    running(published)
    page = viewer_client.get(path).content.decode()
    bar = re.search(r'<svg class="bar" role="progressbar"[^>]*>', page)
    assert bar is not None, path
    for part in (
        'aria-valuenow="50.0"',
        'aria-valuemin="0"',
        'aria-valuemax="100"',
        'aria-label="Import of disk1"',
    ):
        assert part in bar[0], part
    assert re.search(r"50\.0 %, [\d.]+ MiB/s, about [\d.]+ s left", page), page


def test_without_a_known_end_the_bar_says_so(viewer_client: Client, published: Image) -> None:
    running(published, total_bytes=None)
    page = viewer_client.get("/jobs/").content.decode()
    assert 'aria-valuetext="its end is not known"' in page
    assert "aria-valuenow" not in page
    assert "left" not in re.findall(r'<p class="job-reason tabular">(.*?)</p>', page)[0]


def test_what_waits_says_for_what(viewer_client: Client, published: Image) -> None:
    first = running(published)
    job_of(published, kind=JobKind.SQUASH, version=Version.objects.get())
    StorageNode.objects.update(observed_at=timezone.now())
    page = viewer_client.get("/jobs/").content.decode()
    assert "is waiting for the storage node local, whose worker has not been seen at work yet" in page
    assert f"/jobs/{first.pk}/cancel/" not in page, "a viewer sees no buttons"


def test_an_end_is_asked_for_twice(operator_client: Client, published: Image) -> None:
    job = running(published)
    assert f'href="/jobs/{job.pk}/cancel/"' in operator_client.get("/jobs/").content.decode()
    question = operator_client.get(f"/jobs/{job.pk}/cancel/").content.decode()
    assert "Cancel the import into disk1" in question
    assert "What it has done so far is lost." in question
    assert operator_client.post(f"/jobs/{job.pk}/cancel/", headers=HTMX).status_code == 204
    job.refresh_from_db()
    assert job.cancel_requested
    assert "Being cancelled" in operator_client.get("/jobs/").content.decode()


FILTERS = [
    ("", 4), ("image=disk1", 3), ("image=disk2", 1), ("kind=squash", 1), ("state=failed", 1),
    ("state=unfinished", 3), ("state=unfinished&kind=import", 2), ("node=local", 4), ("node=nowhere", 0),
]  # fmt: skip


@pytest.mark.parametrize(("query", "count"), FILTERS)
def test_page_and_api_filter_alike(
    api: Api,
    viewer_client: Client,
    published: Image,
    make_image: Callable[..., Image],
    query: str,
    count: int,
) -> None:
    running(published)
    job_of(published, kind=JobKind.SQUASH)
    job_of(published, kind=JobKind.EXPORT, state=JobState.FAILED, finished_at=timezone.now())
    job_of(make_image("disk2"))
    page = viewer_client.get(f"/jobs/?{query}").content.decode()
    assert page.count('<article class="job">') == count
    answer = api.get(f"/api/v1/jobs?{query}&limit=2")
    assert (len(answer.json()), answer["X-Total-Count"]) == (min(2, count), str(count))


@pytest.mark.parametrize("query", ["state=%00", "kind=<script>", "image=%22%3E", "page=99999", "node=%27"])
def test_a_hostile_filter_shows_a_page(viewer_client: Client, published: Image, query: str) -> None:
    running(published)
    for path in ("/jobs/", "/disks/", "/images/"):
        answer = viewer_client.get(f"{path}?{query}")
        assert answer.status_code == 200, path
        assert b"<script>&" not in answer.content


@pytest.mark.parametrize("count", [1, 45])
def test_the_list_asks_as_much_for_one_as_for_many(
    viewer_client: Client, published: Image, count: int, django_assert_num_queries: Callable[[int], Any]
) -> None:
    viewer_client.get("/jobs/")
    ended = {"kind": JobKind.IMPORT, "state": JobState.DONE, "finished_at": timezone.now()}
    Job.objects.bulk_create(Job(image=published, **ended) for _ in range(count))
    # who asks (2), short nodes, images and nodes to choose, how many, rows, around (3)
    with django_assert_num_queries(10):
        assert viewer_client.get("/jobs/").content.decode().count('class="job"') == count


def test_a_node_that_is_away_is_said_and_can_be_forgotten(operator_client: Client, db: None) -> None:
    register_node(name="old", portal_address="10.0.0.9", portal_port=3260)
    StorageNode.objects.update(observed_at=timezone.now() - timedelta(days=2), observed_target_server="ready")
    page = operator_client.get("/storage/").content.decode()
    assert "Its worker has been away since" in page
    assert 'href="/storage/old/remove/"' in page
    assert "Forget the storage node old" in operator_client.get("/storage/old/remove/").content.decode()
    assert operator_client.post("/storage/old/remove/").status_code == 302
    assert not StorageNode.objects.exists()


def test_a_node_with_images_is_not_forgotten(operator_client: Client, published: Image) -> None:
    answer = operator_client.post("/storage/local/remove/")
    assert (answer.status_code, b"has 1 images" in answer.content) == (422, True)
    assert operator_client.get("/storage/nowhere/remove/").status_code == 404


def test_a_target_server_that_is_down_is_said(viewer_client: Client, node: StorageNode) -> None:
    StorageNode.objects.update(
        observed_at=timezone.now(), observed_target_server="down", observed_free_bytes=GIB,
        observed_reserve_bytes=3 * GIB,
    )  # fmt: skip
    page = viewer_client.get("/storage/").content.decode()
    assert "The iSCSI target server does not answer" in page
    assert "2 GiB less than the reserve are free" in page


def test_a_version_is_verified(api: Api, operator_client: Client, published: Image) -> None:
    path = "/images/disk1/versions/1/verify/"
    assert path in operator_client.get("/images/disk1/versions/1/").content.decode()
    assert operator_client.post(path, headers=HTMX).status_code == 204
    job = Job.objects.get(kind=JobKind.CHECKSUM)
    answer = api.post("/api/v1/images/disk1/versions/1/verify")
    assert (answer.status_code, answer.json()["id"]) == (202, job.pk), "one reading is enough for both"
    assert api.post("/api/v1/images/disk1/versions/9/verify").status_code == 404


def test_a_version_that_is_still_published_is_not_verified(api: Api, published: Image) -> None:
    publish(published)
    Layer.objects.update(observed_frozen_at=None)
    assert api.post("/api/v1/images/disk1/versions/2/verify").status_code == 409


WRONG = [
    ({}, "url"), ({"url": "ftp://x/y"}, "url"), ({"url": "x" * 2001}, "url"), ({"url": "http://"}, "url"),
    ({"file": "../etc/passwd"}, "file"), ({"file": "a/b"}, "file"), ({"file": "x" * 256}, "file"),
    ({"url": "https://host.example/a", "file": "a"}, "file"), ({"file": ".hidden"}, "file"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "field"), WRONG, ids=str)
def test_a_wrong_source_is_told_beside_its_field(
    operator_client: Client, published: Image, given: dict[str, str], field: str
) -> None:
    answer = operator_client.post("/images/disk1/import/", given)
    assert (answer.status_code, f'id="id_{field}_error"' in answer.content.decode()) == (422, True)
    assert not Job.objects.exists()


@pytest.mark.parametrize("given", [{"url": "https://host.example/a.qcow2"}, {"file": "a.img.xz"}])
def test_an_import_is_asked_for_without_any_script(
    operator_client: Client, published: Image, given: dict[str, str]
) -> None:
    settle()
    assert operator_client.post("/images/disk1/import/", given).status_code == 302
    job = Job.objects.get()
    assert (job.kind, job.created_by) == ("import", "operator")
    answer = operator_client.post("/images/disk1/import/", given)
    assert (answer.status_code, b"is running (job" in answer.content) == (422, True)
