"""GET and DELETE /api/v1/jobs: what is told of long work, and how it is cancelled."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from images.models import Image, Job, JobKind, JobState
from images.services import create_image, register_node
from tests.conftest import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def image() -> Image:
    register_node(name="local", portal_address="10.66.0.1", portal_port=3260)
    return create_image(image_id="disk1", name="Disk", size_bytes=2**30, device_type="x64")


def listed(api: Api, query: str = "") -> list[Any]:
    answer = api.get(f"/api/v1/jobs{query}")
    assert answer.status_code == 200, answer.content
    found: list[Any] = answer.json()
    return found


def test_a_job_tells_all_of_itself(api: Api, image: Image) -> None:
    job = Job.objects.create(image=image, kind=JobKind.IMPORT, done_bytes=1, total_bytes=4)
    told = api.get(f"/api/v1/jobs/{job.pk}").json()
    created_at = told.pop("created_at")
    assert created_at.endswith("Z")
    assert told == {
        "id": job.pk, "image_id": "disk1", "version": None, "kind": "import", "state": "waiting",
        "progress": 0.25, "done_bytes": 1, "total_bytes": 4, "cancel_requested": False, "last_error": "",
        "created_by": "", "started_at": None, "finished_at": None,
        "waits_for": [
            "The import into disk1 is waiting for the storage node local, whose worker has not been seen at "
            "work yet."
        ],
    }  # fmt: skip
    assert listed(api) == [{**told, "created_at": created_at}]


def test_the_list_is_filtered_and_bounded_the_newest_first(api: Api, image: Image) -> None:
    done = Job.objects.create(
        image=image, kind=JobKind.EXPORT, state=JobState.DONE, finished_at=timezone.now()
    )
    runs = Job.objects.create(image=image, kind=JobKind.EXPORT, state=JobState.RUNNING)
    waits = Job.objects.create(image=image, kind=JobKind.EXPORT)
    assert [job["id"] for job in listed(api)] == [waits.pk, runs.pk, done.pk]
    assert [job["id"] for job in listed(api, "?limit=1")] == [waits.pk]
    assert [job["id"] for job in listed(api, "?state=done")] == [done.pk]
    assert [job["id"] for job in listed(api, "?state=unfinished")] == [waits.pk, runs.pk]
    assert [job["id"] for job in listed(api, "?image=disk1&state=running")] == [runs.pk]
    assert listed(api, "?image=disk") == []


@pytest.mark.parametrize("query", ["?state=nonsense", "?limit=-1", "?limit=1e9", "?image=a%00b"])
def test_a_filter_that_cannot_be_is_refused(api: Api, image: Image, query: str) -> None:
    assert api.get(f"/api/v1/jobs{query}").status_code == 422


def test_delete_cancels(api: Api, image: Image) -> None:
    job = Job.objects.create(image=image, kind=JobKind.EXPORT, state=JobState.RUNNING)
    answer = api.delete(f"/api/v1/jobs/{job.pk}")
    assert answer.status_code == 202, answer.content
    assert answer.json()["cancel_requested"] is True
    Job.objects.update(finished_at=timezone.now(), state=JobState.CANCELLED)
    again = api.delete(f"/api/v1/jobs/{job.pk}")
    assert again.status_code == 409
    assert "has ended already" in again.json()["detail"]


@pytest.mark.parametrize("number", ["0", "-4", "99", "1" * 30])
def test_an_unknown_job_is_told(api: Api, image: Image, number: str) -> None:
    for answer in (api.get(f"/api/v1/jobs/{number}"), api.delete(f"/api/v1/jobs/{number}")):
        assert answer.status_code == 404, answer.content
        assert "There is no job" in answer.json()["detail"]


def test_who_only_reads_cannot_cancel(viewer: Any, make_api: Any, image: Image) -> None:
    job = Job.objects.create(image=image, kind=JobKind.EXPORT)
    reader = make_api(viewer)
    assert reader.get(f"/api/v1/jobs/{job.pk}").status_code == 200
    assert reader.delete(f"/api/v1/jobs/{job.pk}").status_code == 403


def test_metrics_count_jobs_by_state(api: Api, image: Image) -> None:
    Job.objects.create(image=image, kind=JobKind.EXPORT, state=JobState.RUNNING)
    assert 'netboot_jobs{state="running"} 1.0' in api.get("/metrics").content.decode()
