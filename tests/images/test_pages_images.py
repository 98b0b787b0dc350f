"""Pages of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from devices.models import Device
from images.models import Export, Image, ImageState, Job, Session, StorageNode
from images.services import assign_image, create_image, promote
from netboot_site.formats import GIB
from tests.images.overlays import overlay_of, published


def fields(**changes: str) -> dict[str, str]:
    return {"name": "Debian 12", "image_id": "debian-12", "size_gb": "20", "device_type": "x64", **changes}


@pytest.fixture
def image(node: StorageNode) -> Image:
    return create_image(image_id="debian-12", name="Debian 12", size_bytes=20 * GIB, device_type="x64")


def test_an_image_is_made_with_its_size_in_gib(operator_client: Client, node: StorageNode) -> None:
    answer = operator_client.post("/images/_new/", fields(size_gb="1.5"))
    assert answer["Location"] == "/images/debian-12/"
    assert Image.objects.get().size_bytes == 1.5 * GIB


@pytest.mark.parametrize(
    ("change", "told"),
    [({"image_id": "De bian"}, "Small letters"), ({"size_gb": "0"}, "greater than or equal"),
     ({"size_gb": "-5"}, "greater than or equal"), ({"size_gb": "1e30"}, "less than or equal"),
     ({"size_gb": "nan"}, "Enter a number"), ({"name": "a\x1bb"}, "control characters"),
     ({"device_type": "vax"}, "valid choice"), ({"image_id": "../etc"}, "Small letters")],
)  # fmt: skip
def test_a_wrong_field_is_told_and_the_input_kept(
    operator_client: Client, node: StorageNode, change: dict[str, str], told: str
) -> None:
    answer = operator_client.post("/images/_new/", fields(**change))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert told in page
    assert ('value="Debian 12"' in page) or "name" in change
    assert not Image.objects.exists()


def test_an_id_that_is_taken_is_told(operator_client: Client, image: Image) -> None:
    answer = operator_client.post("/images/_new/", fields())
    assert answer.status_code == 422
    assert b"exists already" in answer.content


def test_an_image_is_assigned_and_taken_back(
    operator_client: Client, image: Image, make_device: Callable[..., Device]
) -> None:
    device = make_device(1)
    page = operator_client.get("/images/debian-12/assign/").content.decode()
    assert device.mac in page
    operator_client.post("/images/debian-12/assign/", {"device": device.mac})
    assert Export.objects.get().device == device
    operator_client.post("/images/debian-12/unassign/")
    assert not Export.objects.exists()


def test_only_devices_that_fit_are_offered(
    operator_client: Client, image: Image, make_device: Callable[..., Device]
) -> None:
    make_device(1, device_type="raspi", name="a-pi")
    make_device(2, name="a-pc")
    page = operator_client.get("/images/debian-12/assign/").content.decode()
    assert "a-pc" in page
    assert "a-pi" not in page


def test_an_assigned_image_is_not_deleted_and_the_page_says_why(
    operator_client: Client, image: Image, make_device: Callable[..., Device]
) -> None:
    assign_image(image=image, device=make_device(1))
    answer = operator_client.post("/images/debian-12/delete/", follow=True)
    assert b"unassign it first" in answer.content
    image.refresh_from_db()
    assert image.state != ImageState.DELETING


def test_a_free_image_is_deleted(operator_client: Client, image: Image) -> None:
    assert operator_client.post("/images/debian-12/delete/")["Location"] == "/images/"
    image.refresh_from_db()
    assert image.state == ImageState.DELETING


def test_a_disk_only_grows(operator_client: Client, image: Image) -> None:
    Image.objects.update(state=ImageState.READY)
    assert b"only grow" in operator_client.post("/images/debian-12/resize/", {"size_gb": "10"}).content
    operator_client.post("/images/debian-12/resize/", {"size_gb": "40"})
    image.refresh_from_db()
    assert image.size_bytes == 40 * GIB


def test_an_image_shows_who_is_logged_in_and_what_it_waits_for(
    operator_client: Client, image: Image, make_device: Callable[..., Device]
) -> None:
    export = assign_image(image=image, device=make_device(1))
    Export.objects.update(observed_state="waiting", last_error="Waits for lab1-07 to log out.")
    Session.objects.create(
        iqn=export.iqn, handle="1", image=image, initiator_name=export.initiator_name,
        address="10.66.0.77", started_at=timezone.now(),
    )  # fmt: skip
    page = operator_client.get("/images/debian-12/").content.decode()
    for text in ("waiting for lab1-01 to log out (logged in at 10.66.0.77 since", export.initiator_name):
        assert text in page


def test_an_upload_shows_how_far_it_is(operator_client: Client, image: Image) -> None:
    Image.objects.update(
        state=ImageState.IMPORTING, upload_received_bytes=5 * GIB, upload_total_bytes=20 * GIB
    )
    page = operator_client.get("/images/debian-12/live/").content.decode()
    assert 'width="25.0%"' in page
    assert "5 GiB of 20 GiB" in page


@pytest.mark.parametrize("change", ["assign", "unassign", "resize", "delete"])
def test_a_viewer_changes_nothing(viewer_client: Client, image: Image, change: str) -> None:
    assert viewer_client.post(f"/images/debian-12/{change}/", {"size_gb": "40"}).status_code == 403
    assert viewer_client.post("/images/_new/", fields(image_id="another")).status_code == 403
    assert Image.objects.get().state == ImageState.CREATING


def test_an_overlay_is_assigned_with_what_it_follows_and_keeps(
    operator_client: Client, image: Image, make_device: Callable[..., Device]
) -> None:
    published(image)
    for number, version, follows in ((1, "", ""), (2, "test", "test"), (3, "1", "pinned")):
        device = make_device(number)
        promote(image=image, channel="test", number=1)
        answer = operator_client.post(
            "/images/debian-12/assign/",
            {"device": device.mac, "mode": "overlay", "persistence": "reset", "version": version},
        )
        assert answer["Location"] == "/images/debian-12/"
        export = Export.objects.get(device=device)
        assert (export.mode, export.persistence, export.follows) == ("overlay", "reset", follows)


def test_an_overlay_of_an_image_without_a_version_is_refused_in_the_dialog(
    operator_client: Client, image: Image, make_device: Callable[..., Device]
) -> None:
    answer = operator_client.post(
        "/images/debian-12/assign/", {"device": make_device(1).mac, "mode": "overlay"},
        headers={"HX-Request": "true"},
    )  # fmt: skip
    assert answer.status_code == 422
    assert b"has no version yet; publish one first" in answer.content
    assert not Export.objects.exists()


def test_of_several_devices_the_one_that_is_named_is_unassigned(
    operator_client: Client, image: Image, make_device: Callable[..., Device]
) -> None:
    published(image)
    devices = [make_device(number) for number in (1, 2)]
    for device in devices:
        overlay_of(image, device)
    operator_client.post("/images/debian-12/unassign/", {"mac": devices[0].mac})
    assert [export.device for export in Export.objects.all()] == [devices[1]]


def test_a_disk_that_grows_under_its_device_says_when_that_is_seen(
    operator_client: Client, image: Image, make_device: Callable[..., Device]
) -> None:
    export = assign_image(image=image, device=make_device(1))
    Session.objects.create(
        iqn=export.iqn, handle="1", image=image, initiator_name=export.initiator_name,
        started_at=timezone.now(),
    )  # fmt: skip
    Image.objects.update(observed_size_bytes=20 * GIB)
    assert b"at its next boot" in operator_client.get("/images/debian-12/resize/").content
    assert b"sees the new size at the next boot" not in operator_client.get("/images/debian-12/").content
    Image.objects.update(size_bytes=40 * GIB)
    assert b"sees the new size at the next boot" in operator_client.get("/images/debian-12/").content


def test_the_list_tells_versions_channels_devices_and_work_in_as_many_queries_for_one_as_for_many(
    viewer_client: Client, node: StorageNode, make_device: Callable[..., Device],
    django_assert_num_queries: Callable[[int], Any],
) -> None:  # fmt: skip
    viewer_client.get("/images/")
    for number in (1, 2):
        made = create_image(image_id=f"lab{number}", name="Lab", size_bytes=GIB, device_type="x64")
        published(made)
        promote(image=made, channel="test", number=1)
        overlay_of(made, make_device(2 * number))
        assign_image(image=made, device=make_device(2 * number + 1))
        Job.objects.create(image=made, kind="squash", state="running", done_bytes=1, total_bytes=4)
        with django_assert_num_queries(
            13
        ):  # who asks (2), short nodes, nodes to choose, how many, rows, writers, channels, work, around (4)
            page = viewer_client.get("/images/").content.decode()
    for part in ("test 1", "1 overlay", "lab1-05", "Squash, 25.0 %"):
        assert part in page, part
