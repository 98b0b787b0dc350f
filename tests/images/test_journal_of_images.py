"""Every change of an image is noted in words, with the person who made it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from images import services
from images.models import Image, Job, StorageNode, Version
from netboot_site.formats import GIB
from netboot_site.journal import acting, changes_of
from tests.conftest import Api
from tests.images.rows import publish, settle
from tests.images.tgtd import PORTAL_ADDRESS

Change = Callable[[Image], object]


def texts(key: str = "disk1", kind: str = "image") -> list[str]:
    return [change.text for change in changes_of(kind, key)]


def _import(image: Image) -> Job:
    return services.request_import(
        image=image, details={"source": "url", "url": "https://ann:secret@host.example/d.qcow2?key=1"}
    )


CHANGES: list[tuple[Change, str]] = [
    (lambda image: services.resize_image(image=image, size_bytes=40 * GIB), "Grown from 1 GiB to 40 GiB"),
    (lambda image: services.delete_image(image=image), "Deleted, with all its versions"),
    (lambda image: services.publish_version(image=image, comment="<b>x"), "Version 2 published: <b>x"),
    (lambda image: services.roll_back(image=image, number=1), "Rolled back to version 1"),
    (lambda image: services.promote(image=image, channel="test", number=1), "Channel test names version 1"),
    (_import, "Import begun, from https://host.example/d.qcow2"),
    (
        lambda image: services.request_import(image=image, details={"source": "file", "name": "a.xz"}),
        "Import begun, of the file a.xz",
    ),
    (
        lambda image: services.begin_upload(image=image, received_bytes=0, total_bytes=GIB),
        "Upload of 1 GiB begun",
    ),
    (
        lambda image: services.replace_content(image=image, number=9, size_bytes=2 * GIB),
        "Filled with new content of 2 GiB",
    ),
    (
        lambda image: services.clone_image(image=image, new_id="copy", name="Copy", number=1),
        "Cloned as copy: version 1",
    ),
]


@pytest.mark.parametrize(("change", "told"), CHANGES, ids=[told for _, told in CHANGES])
def test_a_change_is_noted_in_words(published: Image, change: Change, told: str) -> None:
    before = texts()
    change(published)
    assert texts()[: -len(before)] == [told]


def test_who_made_it_is_noted(api: Api, node: StorageNode) -> None:
    body = {"id": "disk1", "name": "Disk", "size_gb": 2, "device_type": "x64"}
    assert api.post("/api/v1/images", body).status_code == 201
    (told,) = api.get("/api/v1/images/disk1/history").json()
    assert (told["person"], told["text"]) == ("operator", "Created with 2 GiB on local")


def test_pieces_of_one_upload_are_noted_once(published: Image) -> None:
    for received in (0, 100, 200):
        services.begin_upload(image=published, received_bytes=received, total_bytes=GIB)
    assert texts().count("Upload of 1 GiB begun") == 1


def test_the_end_of_work_is_noted(published: Image) -> None:
    job = _import(published)
    services.end_import(image=published, job=job, reason="The server says 404.")
    assert texts()[0] == "Import failed: The server says 404."
    services.cancel_job(job=(again := _import(published)))
    assert texts()[0] == f"Import cancelled (job {again.pk})"


def test_what_happens_to_a_version_is_noted(published: Image) -> None:
    publish(published, "second")
    services.promote(image=published, channel="test", number=1)
    services.close_channel(image=published, channel="test")
    services.request_squash(image=published, number=2)
    Version.objects.get(number=1)
    assert texts()[:2] == ["Squash of version 2 asked for", "Channel test names no version any more"]


def test_a_clone_knows_where_it_comes_from(published: Image) -> None:
    services.clone_image(image=published, new_id="copy", name="Copy")
    assert texts("copy") == ["Cloned from what the disk held of disk1"]


def test_a_refused_change_is_not_noted(published: Image, api: Api) -> None:
    before = texts()
    assert api.post("/api/v1/images/disk1/rollback", {"version": 9}).status_code == 404
    assert texts() == before


def test_nodes_have_a_journal(node: StorageNode) -> None:
    services.register_node(name="local", portal_address="10.0.0.9", portal_port=3260)
    services.register_node(name="local", portal_address="10.0.0.9", portal_port=3260)
    assert texts("local", "storage node") == [
        "Moved to 10.0.0.9:3260", f"Registered at {PORTAL_ADDRESS}:3260",
    ]  # fmt: skip
    with acting(lambda: "ann"):
        services.remove_node(name="local")
    last = changes_of("storage node", "local")[0]
    assert (last.person, last.text) == ("ann", "Forgotten")


def test_the_history_of_an_image_outlives_it(api: Api, published: Image) -> None:
    Image.objects.filter(pk="disk1").update(generation=99)
    assert len(api.get("/api/v1/images/disk1/history?limit=1").json()) == 1
    assert api.get("/api/v1/images/nothing/history").status_code == 404
    assert api.get("/api/v1/images/disk1/history?limit=-1").status_code == 422


def test_the_page_shows_what_was_changed(viewer_client: Client, published: Image) -> None:
    services.publish_version(image=published, comment="<script>alert(1)</script>")
    settle()
    page = viewer_client.get("/images/disk1/").content.decode()
    assert "Version 2 published: &lt;script&gt;" in page
    assert "<script>alert" not in page


def test_long_texts_are_cut(node: StorageNode, make_image: Callable[..., Image], api: Api) -> None:
    image: Any = make_image("disk1")
    settle()
    services.publish_version(image=image, comment="x" * 500)
    assert len(texts()[0]) == 500
