"""The lists of images and of devices' disks: filters, order, pages, and no more queries for more rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from devices.models import Device
from images.models import Export, Image, Layer, StorageNode
from images.services import assign_image, register_node
from netboot_site.formats import GIB
from tests.conftest import Api
from tests.images.rows import log_in, settle

EVIL = '<script>"alert(1)"</script>'
RIGHT_TO_LEFT = "\u05de\u05e2\u05d1\u05d3\u05d4 " * 20


@pytest.fixture
def lab(published: Image, make_device: Callable[..., Device], make_image: Callable[..., Image]) -> Image:
    """Three overlays, one of them in use, and a whole disk of another image."""
    for number in (1, 2, 3):
        export = assign_image(image=published, device=make_device(number), mode="overlay")
    settle()
    log_in(export)
    assign_image(image=make_image("whole"), device=make_device(4))
    Export.objects.filter(device__name="lab1-02").update(observed_state="paused")
    return published


DISKS = [
    ("", 4), ("image=disk1", 3), ("image=nothing", 0), ("mode=overlay", 3), ("mode=exclusive", 1),
    ("state=paused", 1), ("node=local", 4), ("node=nowhere", 0), ("q=LAB1-03", 1), ("q=52-54-00-00-00-0", 4),
    ("q=%3Cscript%3E", 0),
]  # fmt: skip


@pytest.mark.parametrize(("query", "count"), DISKS)
def test_page_and_api_show_the_same_disks(
    api: Api, viewer_client: Client, lab: Image, query: str, count: int
) -> None:
    page = viewer_client.get(f"/disks/?{query}").content.decode()
    assert page.count('class="cell-name" id="device-') == count
    answer = api.get(f"/api/v1/disks?{query}")
    assert (len(answer.json()), answer["X-Total-Count"]) == (count, str(count))


def test_a_disk_is_reset_merged_and_changed_from_the_list(
    operator_client: Client, viewer_client: Client, lab: Image
) -> None:
    page = operator_client.get("/disks/").content.decode()
    seen = viewer_client.get("/disks/").content.decode()
    for what in ("reset", "merge", "change"):
        path = f'href="/devices/52:54:00:00:00:01/disk/{what}/"'
        assert path in page
        assert path not in seen, "a viewer sees no buttons"
    assert 'formaction="/images/whole/unassign/"' in page
    assert "In use" in seen
    assert "The disk of lab1-02 is waiting for room" in seen


@pytest.mark.parametrize("count", [1, 100])
def test_a_hundred_overlays_are_asked_for_like_one(
    viewer_client: Client, published: Image, make_device: Callable[..., Device], count: int,
    django_assert_num_queries: Callable[[int], Any],
) -> None:  # fmt: skip
    devices = [
        Device(mac=f"52:54:00:00:09:{number:02x}", name=f"d{number}", device_type="x64")
        for number in range(count)
    ]
    for device in Device.objects.bulk_create(devices)[: min(count, 60)]:
        log_in(assign_image(image=published, device=device, mode="overlay"))
    settle()
    viewer_client.get("/disks/")
    # who asks (2), short nodes, images and nodes to choose, how many, rows, around (5), versions, channels,
    # kept
    with django_assert_num_queries(15):
        assert viewer_client.get("/disks/").status_code == 200
    # who asks (2), the image, around (5), versions (3), head, disks (5), logins (3), work (2), history
    with django_assert_num_queries(23):
        assert viewer_client.get("/images/disk1/live/").status_code == 200


@pytest.fixture
def thousand(node: StorageNode) -> None:
    register_node(name="node-2", portal_address="10.0.0.2", portal_port=3260)
    Image.objects.bulk_create(
        Image(
            id=f"lab-{number}", name=f"Lab {number:04d}", size_bytes=(number + 1) * GIB,
            device_type="raspi" if number % 2 else "x64", node_id="node-2" if number < 10 else "local",
            state="failed" if number == 7 else "ready", observed_used_bytes=None if number else 5 * GIB,
        )
        for number in range(1000)
    )  # fmt: skip
    images = Image.objects.all()
    Layer.objects.bulk_create(Layer(image=row, number=1, format="raw", size_bytes=GIB) for row in images)


IMAGES = [
    ("", "", 1000, "lab-0"), ("q=0042", "q=0042", 1, "lab-42"),
    ("type=raspi", "device_type=raspi", 500, "lab-1"), ("state=failed", "state=failed", 1, "lab-7"),
    ("node=node-2&type=x64", "node=node-2&device_type=x64", 5, "lab-0"),
    ("sort=-size", "sort=-size", 1000, "lab-999"), ("sort=-used", "sort=-used", 1000, "lab-0"),
    ("sort=state", "sort=state", 1000, "lab-7"), ("q=nothing", "q=nothing", 0, ""),
]  # fmt: skip


def test_a_thousand_images_are_filtered_sorted_and_paged_alike_on_page_and_api(
    api: Api, viewer_client: Client, thousand: None, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    viewer_client.get("/images/")
    for query, of_api, count, first in IMAGES:
        answer = api.get(f"/api/v1/images?limit=1&{of_api}")
        assert answer["X-Total-Count"] == str(count), query
        assert [row["id"] for row in answer.json()] == ([first] if first else []), query
        with django_assert_max_num_queries(13):
            page = viewer_client.get(f"/images/?{query}").content.decode()
        assert page.count('class="cell-name" href="/images/') == min(50, count), query
        assert f'href="/images/{first}/"' in page or not first, query
    assert "951–1000 of 1000" in viewer_client.get("/images/?page=20").content.decode()


def test_the_rows_are_asked_for_again_with_the_same_filter(viewer_client: Client, thousand: None) -> None:
    page = viewer_client.get("/images/?q=Lab+00&type=raspi").content.decode()
    assert 'hx-get="/images/_live/?q=Lab+00&amp;type=raspi&amp;seen=' in page
    rows = viewer_client.get("/images/_live/?q=Lab+00&type=raspi").content.decode()
    seen = rows.split("seen=")[1].split('"')[0]
    again = viewer_client.get(f"/images/_live/?q=Lab+00&type=raspi&seen={seen}")
    assert (again.status_code, again.content) == (204, b"")


@pytest.mark.parametrize("name", [EVIL, "x" * 200, RIGHT_TO_LEFT.strip()[:200]])
def test_names_of_any_kind_are_shown_as_text(viewer_client: Client, published: Image, name: str) -> None:
    device = Device.objects.create(mac="52:54:00:00:00:0a", name=name, device_type="x64")
    Image.objects.update(name=name)
    log_in(assign_image(image=published, device=device, mode="overlay"))
    for path in ("/images/", "/disks/", "/images/disk1/", "/storage/", "/jobs/"):
        page = viewer_client.get(path).content.decode()
        assert "<script>&quot;" not in page
        assert EVIL not in page, path
        assert 'dir="auto"' in page or path in {"/storage/", "/jobs/"}, path
