"""GET and HEAD /api/v1/images/{id}/content: which disk goes out, as what, to whom, and what is told of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client
from django.utils import timezone

from images import lineage, services
from images.disk_reading import chain_of, layer_path
from images.jobs.progress import Cancelled
from images.jobs.round import work_once
from images.models import Image, ImageState, Job, JobState, Layer, Session, Version
from images.outgoing import transfer
from images.outgoing.answer import answer as answer_with
from images.outgoing.source import find_source
from images.outgoing.transfer import Wanted, begin
from images.qemu import local_store
from netboot_site.errors import ConflictError, OrchestratorError
from tests.conftest import Api
from tests.images.jobs.conftest import SIZE, elsewhere
from tests.images.jobs.disks import MIB, add_version, content, fill, sha256

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.real_qemu_storage]
FIRST, SECOND = {0: b"boot", 2 * MIB: os.urandom(MIB)}, {MIB: b"more", SIZE - 512: b"z" * 512}
WHOLE = content(SIZE, FIRST, SECOND)
URL = "/api/v1/images/disk1/content"


@pytest.fixture
def versions(image: Image) -> list[Version]:
    found = [add_version(image, FIRST), add_version(image, SECOND)]
    Image.objects.update(state=ImageState.READY)
    return found


def body(answer: HttpResponse | StreamingHttpResponse) -> bytes:
    assert answer.status_code in {200, 206}, answer.content
    assert isinstance(answer, StreamingHttpResponse)
    data = b"".join(answer)  # type: ignore[arg-type]
    answer.close()
    return data


def refusal(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer
    told: str = answer.json()["detail"]
    assert str(settings.IMAGES_PATH) not in told
    return told


def as_raw(data: bytes, kind: str, folder: Path) -> bytes:
    if kind == "raw":
        return data
    if kind == "zst":
        return subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout
    source, target = folder / "x.qcow2", folder / "x.raw"
    source.write_bytes(data)
    subprocess.run(["qemu-img", "check", "-q", str(source)], check=True)
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(source), str(target)], check=True)
    return target.read_bytes()


@pytest.mark.parametrize(("kind", "suffix"), [("raw", "raw"), ("qcow2", "qcow2"), ("zst", "raw.zst")])
@pytest.mark.parametrize("number", [1, 2])
def test_any_version_goes_out_as_any_format(
    versions: list[Version], api: Api, tmp_path: Path, kind: str, suffix: str, number: int
) -> None:
    Version.objects.filter(number=number).update(sha256="ab" * 32)
    answer = api.get(f"{URL}?version={number}&format={kind}")
    data = body(answer)
    assert as_raw(data, kind, tmp_path) == (WHOLE if number == 2 else content(SIZE, FIRST))
    assert answer["Content-Disposition"] == f'attachment; filename="disk1-v{number}.{suffix}"'
    assert answer["X-Disk-SHA256"] == "ab" * 32
    assert answer.get("Content-Length") == (None if kind == "zst" else str(len(data)))
    job = Job.objects.get()
    assert (job.kind, job.state, job.progress, job.created_by) == ("export", "done", 1.0, "operator")
    assert (job.version, job.details) == (versions[number - 1], {"format": kind})
    assert job.done_bytes == job.total_bytes
    assert local_store().observe() == {}, "the chain is still being served"


def test_the_head_is_what_was_published_last_as_long_as_nobody_wrote_it(
    versions: list[Version], api: Api
) -> None:
    assert body(api.get(URL)) == WHOLE
    assert api.call("HEAD", URL)["Content-Disposition"] == 'attachment; filename="disk1-head.raw"'


def written_head(image: Image) -> Layer:
    image.refresh_from_db()
    head = lineage.head_of(image)
    layer_path(head).unlink()
    fill(head, {5 * MIB: b"written"})
    Layer.objects.filter(pk=head.pk).update(used_at=timezone.now())
    head.refresh_from_db()
    return head


def test_a_head_that_was_written_goes_out_as_it_is(versions: list[Version], image: Image, api: Api) -> None:
    written_head(image)
    assert body(api.get(URL)) == content(SIZE, FIRST, SECOND, {5 * MIB: b"written"})


def test_a_head_that_is_served_to_its_machine_is_read_there(
    versions: list[Version], image: Image, api: Api
) -> None:
    served = local_store().serve("e1", chain_of(written_head(image)))
    with Path(served.path).open("r+b") as file:
        file.seek(7 * MIB)
        file.write(b"not flushed")
    data = body(api.get(URL))
    assert data[7 * MIB : 7 * MIB + 11] == b"not flushed"
    assert set(local_store().observe()) == {"e1"}


def test_a_head_that_has_grown_ends_in_zeros(versions: list[Version], image: Image, api: Api) -> None:
    services.resize_image(image=image, size_bytes=SIZE + 2 * MIB)
    assert body(api.get(URL)) == WHOLE + bytes(2 * MIB)
    assert len(body(api.get(f"{URL}?version=2"))) == SIZE


def test_a_raw_head_goes_out_too(image: Image, api: Api) -> None:
    Image.objects.update(state=ImageState.READY)
    image.refresh_from_db()
    fill(lineage.head_of(image), FIRST)
    assert body(api.get(URL)) == content(SIZE, FIRST)


def log_in(image: Image) -> None:
    Session.objects.create(
        iqn=image.iqn, handle="1", image=image, initiator_name="iqn.x:device", started_at=timezone.now()
    )


def test_a_head_in_use_is_refused_and_its_versions_are_not(
    versions: list[Version], image: Image, api: Api
) -> None:
    log_in(image)
    assert "is in use by iqn.x:device" in refusal(api.get(URL), 409)
    assert body(api.get(f"{URL}?version=2")) == WHOLE
    assert Job.objects.count() == 1, "what was refused is no job"


def test_a_machine_that_starts_meanwhile_cuts_the_transfer(
    versions: list[Version], image: Image, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    written_head(image)
    answer = api.get(URL)
    chunks = iter(answer)
    received = [next(chunks)]
    log_in(image)
    with pytest.raises(ConflictError, match="was started from this disk meanwhile"):
        received.extend(chunks)
    assert sum(map(len, received)) < SIZE, "a mixture of two moments was given out whole"
    job = Job.objects.get()
    assert (job.state, "started from this disk" in job.last_error) == (JobState.FAILED, True)
    assert local_store().observe() == {}


def test_a_receiver_that_goes_away_cancels(versions: list[Version], api: Api) -> None:
    answer = api.get(f"{URL}?version=2")
    next(iter(answer))
    assert Job.objects.get().state == JobState.RUNNING
    answer.close()
    job = Job.objects.get()
    assert (job.state, job.last_error) == (JobState.CANCELLED, "Its receiver went away.")
    assert local_store().observe() == {}


def test_an_answer_that_is_never_read_is_over_when_it_is_closed(versions: list[Version], api: Api) -> None:
    api.get(f"{URL}?version=2").close()
    assert Job.objects.get().state == JobState.CANCELLED
    assert local_store().observe() == {}


def test_delete_of_its_job_cuts_it(
    versions: list[Version], api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("images.jobs.progress.REPORT_PERIOD_SECONDS", 0.0)
    answer = api.get(f"{URL}?version=2")
    chunks = iter(answer)
    next(chunks)
    assert api.delete(f"/api/v1/jobs/{Job.objects.get().pk}").status_code == 202
    with pytest.raises(Cancelled):
        list(chunks)
    assert Job.objects.get().state == JobState.CANCELLED
    assert local_store().observe() == {}


def test_a_running_transfer_is_not_taken_for_a_dead_one(versions: list[Version], api: Api) -> None:
    Version.objects.update(sha256="0" * 64)
    answer = api.get(f"{URL}?version=2")
    elsewhere(lambda: work_once("local"))
    assert Job.objects.get().state == JobState.RUNNING
    assert body(answer) == WHOLE


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1), ("bytes=100-199", 100, 200), (f"bytes={SIZE - 9}-", SIZE - 9, SIZE),
        ("bytes=-5", SIZE - 5, SIZE), (f"bytes=3-{SIZE * 9}", 3, SIZE), (f"bytes=-{SIZE * 9}", 0, SIZE),
    ],
)  # fmt: skip
def test_a_part_of_a_raw_disk(versions: list[Version], api: Api, asked: str, start: int, end: int) -> None:
    answer = api.call("GET", f"{URL}?version=2", Range=asked)
    assert body(answer) == WHOLE[start:end]
    assert answer.status_code == 206
    assert answer["Content-Range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer["Content-Length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=5-3", "bytes=-", "lines=1-2", "bytes=0-1,5-6", "bytes=a-b"])
def test_a_range_that_means_nothing_is_not_heeded(versions: list[Version], api: Api, asked: str) -> None:
    answer = api.call("GET", f"{URL}?version=2", Range=asked)
    assert answer.status_code == 200
    assert body(answer) == WHOLE


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE * 3}-{SIZE * 4}", "bytes=-0"])
def test_a_range_behind_the_disk_is_refused(versions: list[Version], api: Api, asked: str) -> None:
    answer = api.call("GET", f"{URL}?version=2", Range=asked)
    assert refusal(answer, 416) == f"The disk has {SIZE} bytes."
    assert answer["Content-Range"] == f"bytes */{SIZE}"
    assert not Job.objects.exists()


def test_a_download_goes_on_only_where_the_disk_is_the_same(versions: list[Version], api: Api) -> None:
    tag = api.call("HEAD", f"{URL}?version=2")["ETag"]
    part = {"Range": "bytes=10-", "If-Range": tag}
    assert body(api.call("GET", f"{URL}?version=2", **part)) == WHOLE[10:]
    assert body(api.call("GET", f"{URL}?version=1", **part)) == content(SIZE, FIRST), "parts of two disks"
    head = api.call("HEAD", URL)["ETag"]
    assert head.startswith("W/"), "a head may be another one at any moment"


@pytest.mark.parametrize(("kind", "length"), [("raw", str(SIZE)), ("qcow2", None), ("zst", None)])
def test_head_tells_what_is_known_and_makes_no_job(
    versions: list[Version], api: Api, kind: str, length: str | None
) -> None:
    answer = api.call("HEAD", f"{URL}?version=2&format={kind}")
    assert answer.status_code == 200
    assert answer.get("Content-Length") == length
    assert answer["Content-Disposition"].startswith('attachment; filename="disk1-v2.')
    assert not Job.objects.exists()


def test_what_cannot_go_out_is_told(versions: list[Version], image: Image, api: Api) -> None:
    assert "no version 7" in refusal(api.get(f"{URL}?version=7"), 404)
    assert "There is no image" in refusal(api.get("/api/v1/images/nothing/content"), 404)
    assert api.get(f"{URL}?format=vmdk").status_code == 422
    assert api.get(f"{URL}?version=0").status_code == 422
    layer_path(versions[0].layer).rename(layer_path(versions[0].layer).with_suffix(".away"))
    assert "is missing" in refusal(api.get(f"{URL}?version=1"), 409)
    assert Job.objects.get().state == JobState.FAILED
    Layer.objects.update(observed_frozen_at=None)
    assert "still being published" in refusal(api.get(f"{URL}?version=2"), 409)
    Image.objects.update(state=ImageState.FAILED)
    assert "is failed" in refusal(api.get(URL), 409)


def test_whoever_may_read_may_read_this_and_nobody_else(
    versions: list[Version], viewer: Any, make_api: Callable[..., Api]
) -> None:
    assert body(make_api(viewer, scope="read").get(f"{URL}?version=2")) == WHOLE
    assert Client().get(f"{URL}?version=2").status_code == 401


def test_another_nodes_disk_is_not_looked_for_here(versions: list[Version], image: Image) -> None:
    services.register_node(name="other", portal_address="10.66.0.2", portal_port=3260)
    Image.objects.update(node="other")
    asked = Client().request().wsgi_request
    with pytest.raises(OrchestratorError, match="storage node 'other'"):
        answer_with(asked, image=Image.objects.get(), number=2, file_format="raw")


def test_the_checksum_told_is_that_of_the_bytes(versions: list[Version], api: Api) -> None:
    while work_once("local"):
        pass
    answer = api.get(f"{URL}?version=2")
    assert sha256(body(answer)) == answer["X-Disk-SHA256"]


def test_reading_errors_end_a_transfer_before_its_end(
    versions: list[Version], image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> Any:
        yield b"some"
        raise OSError(5, "Input/output error", "/secret")

    monkeypatch.setattr(transfer.Raw, "chunks", broken)
    image.refresh_from_db()
    chunks = begin(Wanted(find_source(image, 2))).chunks
    with pytest.raises(OSError, match="Input/output"):
        list(chunks)
    assert Job.objects.get().last_error == "The storage node could not read or write its files."
