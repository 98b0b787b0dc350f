"""POST /api/v1/images/{id}/rollback: an empty head over an older version."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from devices.models import Device
from images import lineage, services
from images.models import Export, Image, ImageState, LayerState
from netboot_site.formats import GIB
from tests.conftest import Api
from tests.images.rows import log_in, publish, state_of, write

PATH = "/api/v1/images/disk1/rollback"


def test_the_head_begins_anew_and_what_it_held_goes(api: Api, published: Image) -> None:
    publish(published, "second")
    old = write(lineage.head_of(Image.objects.get()))
    answer = api.post(PATH, {"version": 1})
    assert answer.status_code == 200
    assert [one["number"] for one in answer.json()["versions"]] == [2, 1], "the later version stays"
    head = lineage.head_of(Image.objects.get())
    assert (head.parent, head.used_at) == (published.versions.get(number=1).layer, None)
    assert state_of(old) == LayerState.DELETING


def test_a_raw_head_that_became_a_version_stays(published: Image) -> None:
    services.roll_back(image=published, number=1)
    assert state_of(published.versions.get().layer) == LayerState.READY


def test_the_size_is_the_versions_again(published: Image) -> None:
    services.resize_image(image=published, size_bytes=2 * GIB)
    assert services.roll_back(image=published, number=1).size_bytes == GIB


def test_not_while_the_head_is_in_use_but_an_overlay_may_be(
    api: Api, overlay: Export, make_device: Callable[..., Device]
) -> None:
    image = overlay.image
    writer = services.assign_image(image=image, device=make_device(2, name="writer"))
    log_in(overlay)
    assert api.post(PATH, {"version": 1}).status_code == 200
    head = lineage.head_of(Image.objects.get())
    log_in(writer)
    answer = api.post(PATH, {"version": 1})
    assert answer.status_code == 409
    assert "in use by writer" in answer.json()["detail"]
    assert lineage.head_of(Image.objects.get()) == head


def test_the_fresh_head_counts_as_never_handed_out(
    published: Image, make_device: Callable[..., Device]
) -> None:
    export = services.assign_image(image=published, device=make_device(1))
    Export.objects.update(handed_out_at=timezone.now())
    services.roll_back(image=published, number=1)
    export.refresh_from_db()
    assert export.handed_out_at is None
    assert lineage.head_is_untouched(Image.objects.get())


@pytest.mark.parametrize("state", [ImageState.CREATING, ImageState.IMPORTING, ImageState.DELETING])
def test_only_a_whole_disk_is_rolled_back(api: Api, published: Image, state: ImageState) -> None:
    Image.objects.update(state=state)
    assert api.post(PATH, {"version": 1}).status_code == 409


@pytest.mark.parametrize(
    ("version", "status"),
    [(2, 404), (2**31 - 1, 404), (0, 422), (-1, 422), (2**31, 422), (10**40, 422), (1e30, 422), (True, 422),
     (None, 422), ("latest", 422), ("1\0", 422), (1.5, 422), ([1], 422)],
)  # fmt: skip
def test_a_version_that_is_not_there_is_told(
    api: Api, published: Image, version: object, status: int
) -> None:
    head = lineage.head_of(Image.objects.get())
    assert api.post(PATH, {"version": version}).status_code == status
    assert lineage.head_of(Image.objects.get()) == head
