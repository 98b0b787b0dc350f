"""The page of storage: each node's room, files that belong to nothing, and long work on all images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from images.models import Image, Job, JobKind, JobState, StorageNode
from images.services import register_node
from netboot_site.formats import GIB

HTMX = {"HX-Request": "true"}
ORPHANS = [{"name": "old/layer-3.qcow2", "bytes": 3 * GIB}, {"name": "<b>odd</b>", "bytes": 1}]


@pytest.fixture
def seen(node: StorageNode) -> StorageNode:
    StorageNode.objects.update(
        observed_capacity_bytes=100 * GIB, observed_free_bytes=30 * GIB, observed_used_bytes=50 * GIB,
        observed_reserve_bytes=GIB, observed_target_server="ready", observed_at=timezone.now(),
        observed_orphans=ORPHANS,
    )  # fmt: skip
    return StorageNode.objects.get()


def test_a_node_shows_its_room_and_what_was_promised(
    viewer_client: Client, seen: StorageNode, make_image: Callable[..., Image]
) -> None:
    make_image("a", 25 * GIB)
    page = viewer_client.get("/storage/").content.decode()
    for part in (
        "100 GiB",
        "30 GiB",
        "50 GiB",
        "25 GiB",
        "0.31 ×",
        'aria-label="50.0 % used by images, 20.0 %',
    ):
        assert part in page, part


def test_a_node_that_promised_more_than_it_has_or_is_short_says_so(
    viewer_client: Client, seen: StorageNode, make_image: Callable[..., Image]
) -> None:
    for name in "abcd":
        make_image(name, 30 * GIB)
    assert b"could outgrow" in viewer_client.get("/storage/").content
    StorageNode.objects.update(observed_free_bytes=GIB // 2)
    assert b"nothing new is started on this node" in viewer_client.get("/storage/").content


def test_a_node_that_nobody_has_looked_at_is_shown_too(viewer_client: Client, node: StorageNode) -> None:
    assert b"not seen yet" in viewer_client.get("/storage/").content


def test_without_a_node_the_page_says_how_one_comes(viewer_client: Client) -> None:
    assert b"No storage node yet" in viewer_client.get("/storage/").content


def test_files_that_belong_to_nothing_are_shown_and_never_as_markup(
    viewer_client: Client, seen: StorageNode
) -> None:
    page = viewer_client.get("/storage/").content.decode()
    assert "old/layer-3.qcow2" in page
    assert "<b>odd" not in page
    assert "/orphans/" not in page


def test_only_the_chosen_ones_are_removed(operator_client: Client, seen: StorageNode) -> None:
    page = operator_client.get("/storage/local/orphans/").content.decode()
    assert "What is in the chosen files is lost." in page
    assert "old/layer-3.qcow2 (3 GiB)" in page
    answer = operator_client.post("/storage/local/orphans/", {"names": ["old/layer-3.qcow2"]})
    assert answer["Location"] == "/storage/"
    assert StorageNode.objects.get().orphans_to_remove == ["old/layer-3.qcow2"]


@pytest.mark.parametrize("names", [[], ["another"], ["../../etc/passwd"]])
def test_nothing_else_is_removed(operator_client: Client, seen: StorageNode, names: list[str]) -> None:
    answer = operator_client.post("/storage/local/orphans/", {"names": names}, headers=HTMX)
    assert answer.status_code == 422
    assert StorageNode.objects.get().orphans_to_remove == []


@pytest.mark.parametrize("node_name", ["local", "another"])
def test_where_nothing_was_found_nothing_is_offered(
    operator_client: Client, node: StorageNode, node_name: str
) -> None:
    assert operator_client.get(f"/storage/{node_name}/orphans/").status_code == 404


def test_a_viewer_removes_and_cancels_nothing(
    viewer_client: Client, seen: StorageNode, make_image: Callable[..., Image]
) -> None:
    job = Job.objects.create(image=make_image(), kind=JobKind.IMPORT)
    posted = {"names": ["old/layer-3.qcow2"]}
    assert viewer_client.post("/storage/local/orphans/", posted).status_code == 403
    assert viewer_client.post(f"/jobs/{job.pk}/cancel/").status_code == 403
    assert f"/jobs/{job.pk}/cancel/" not in viewer_client.get("/storage/").content.decode()
    assert not Job.objects.get().cancel_requested


def test_work_shows_how_far_it_is_and_why_it_failed(
    viewer_client: Client, make_image: Callable[..., Image]
) -> None:
    image = make_image()
    Job.objects.create(
        image=image, kind=JobKind.IMPORT, state=JobState.RUNNING, done_bytes=3 * GIB, total_bytes=4 * GIB
    )
    Job.objects.create(
        image=image, kind=JobKind.CHECKSUM, state=JobState.FAILED, finished_at=timezone.now(),
        last_error="The file is <gone>.",
    )  # fmt: skip
    for path in ("/storage/live/", "/images/disk1/live/"):
        page = viewer_client.get(path).content.decode()
        assert 'width="75.0%"' in page, path
        assert "3 GiB of 4 GiB" in page, path
        assert "The file is &lt;gone&gt;." in page, path


def test_a_failure_that_went_well_later_is_not_told_on_the_image_s_page(
    viewer_client: Client, make_image: Callable[..., Image]
) -> None:
    now = timezone.now()
    for state, error in ((JobState.FAILED, "The disk was full."), (JobState.DONE, "")):
        Job.objects.create(
            image=make_image() if not Image.objects.exists() else Image.objects.get(),
            kind=JobKind.IMPORT, state=state, last_error=error, finished_at=now,
        )  # fmt: skip
    assert b"The disk was full." not in viewer_client.get("/images/disk1/").content
    assert b"The disk was full." in viewer_client.get("/storage/").content


def test_work_is_cancelled(operator_client: Client, make_image: Callable[..., Image]) -> None:
    job = Job.objects.create(image=make_image(), kind=JobKind.IMPORT, state=JobState.RUNNING)
    assert operator_client.post(f"/jobs/{job.pk}/cancel/", headers=HTMX).status_code == 204
    job.refresh_from_db()
    assert job.cancel_requested
    assert b"Being cancelled" in operator_client.get("/storage/").content


def test_work_that_ended_cannot_be_cancelled_and_that_is_told(
    operator_client: Client, make_image: Callable[..., Image]
) -> None:
    job = Job.objects.create(
        image=make_image(), kind=JobKind.IMPORT, state=JobState.DONE, finished_at=timezone.now()
    )
    answer = operator_client.post(f"/jobs/{job.pk}/cancel/", headers=HTMX)
    assert (answer.status_code, b"has ended already" in answer.content) == (422, True)


def test_the_page_asks_as_much_for_many_nodes_and_jobs_as_for_one(
    viewer_client: Client, make_image: Callable[..., Image],
    django_assert_num_queries: Callable[[int], Any],
) -> None:  # fmt: skip
    viewer_client.get("/storage/live/")
    for number in range(3):
        Job.objects.create(image=make_image(f"disk{number}"), kind=JobKind.IMPORT)
        register_node(name=f"node{number}", portal_address="10.66.0.9", portal_port=3260)
        with django_assert_num_queries(
            8
        ):  # who asks (2), the nodes, work that runs, work that ended, around (3)
            viewer_client.get("/storage/live/")
