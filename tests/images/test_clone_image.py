"""POST /api/v1/images/{id}/clone: a new image over what another holds, without copying bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from devices.models import Device
from images import lineage, services
from images.models import Export, Image, Layer, LayerFormat, LayerState
from netboot_site.errors import ConflictError
from netboot_site.formats import GIB
from tests.conftest import Api
from tests.images.rows import publish, settle, state_of, write

PATH = "/api/v1/images/disk1/clone"
BODY = {"id": "copy", "name": "Copy"}


def head(image_id: str) -> Layer:
    return lineage.head_of(Image.objects.get(pk=image_id))


def test_of_a_version_it_stands_on_that_version(api: Api, published: Image) -> None:
    publish(published)
    original = head("disk1")
    answer = api.post(PATH, {**BODY, "version": 1})
    assert answer.status_code == 201
    shown = answer.json()
    assert (shown["id"], shown["name"], shown["size_gb"], shown["state"], shown["versions"]) == (
        "copy", "Copy", 1, "creating", [],
    )  # fmt: skip
    layer = head("copy")
    assert (layer.parent, layer.number, layer.format) == (
        published.versions.get(number=1).layer, 1, LayerFormat.QCOW2,
    )  # fmt: skip
    assert head("disk1") == original, "the original's head is not touched"


def test_of_a_head_it_freezes_the_head_and_both_write_on_over_it(api: Api, published: Image) -> None:
    old = write(head("disk1"))
    assert api.post(PATH, BODY).status_code == 201
    old.refresh_from_db()
    assert (old.frozen, head("disk1").parent, head("copy").parent) == (True, old, old)
    assert published.versions.count() == 1, "a clone is no version"


def test_of_a_raw_head_that_has_no_version_yet(make_image: Callable[..., Image]) -> None:
    image = make_image()
    settle()
    raw = head("disk1")
    services.clone_image(image=image, new_id="copy", name="Copy")
    assert (head("disk1").parent, head("copy").parent) == (raw, raw)


def test_of_a_head_that_nobody_wrote_it_stands_on_what_that_stands_on(published: Image) -> None:
    original = head("disk1")
    services.clone_image(image=published, new_id="copy", name="Copy")
    assert head("disk1") == original
    assert head("copy").parent == original.parent


def test_a_head_that_a_machine_was_told_of_counts_as_written(
    published: Image, make_device: Callable[..., Device]
) -> None:
    services.assign_image(image=published, device=make_device(1))
    Export.objects.update(handed_out_at=timezone.now())
    original = head("disk1")
    services.clone_image(image=published, new_id="copy", name="Copy")
    assert head("copy").parent == original


def test_a_clone_has_versions_of_its_own(published: Image) -> None:
    clone = services.clone_image(image=published, new_id="copy", name="Copy")
    settle()
    assert publish(clone).number == 1
    assert publish(published).number == 2


def test_the_original_stays_as_long_as_a_clone_stands_on_it(api: Api, published: Image) -> None:
    clone = services.clone_image(image=published, new_id="copy", name="Copy")
    answer = api.delete("/api/v1/images/disk1")
    assert answer.status_code == 409
    assert "'copy' stands on 'disk1'" in answer.json()["detail"]
    settle()
    Layer.objects.filter(image=clone).update(state=LayerState.DELETING)
    assert api.delete("/api/v1/images/disk1").status_code == 202


def test_a_version_under_a_clone_stays(published: Image) -> None:
    publish(published)
    services.clone_image(image=published, new_id="copy", name="Copy", number=2)
    services.roll_back(image=published, number=1)
    with pytest.raises(ConflictError, match="the image copy is a clone of it"):
        services.delete_version(image=published, number=2)


def test_what_only_a_clone_stands_on_goes_when_the_clone_moves_away(published: Image) -> None:
    frozen = write(head("disk1"))
    clone = services.clone_image(image=published, new_id="copy", name="Copy")
    services.roll_back(image=published, number=1)
    assert state_of(frozen) == LayerState.READY, "the clone needs it"
    settle()
    row = Image.objects.get(pk=clone.pk)
    lineage.replace_head(row, lineage.add_layer(row, None))
    assert state_of(frozen) == LayerState.DELETING
    assert state_of(published.versions.get().layer) == LayerState.READY


@pytest.mark.parametrize(
    ("body", "status"),
    [({"id": "disk1", "name": "x"}, 409), ({"id": "Copy", "name": "x"}, 422),
     ({"id": "a/b", "name": "x"}, 422),
     ({"id": "c\0", "name": "x"}, 422), ({"id": "c", "name": ""}, 422), ({"id": "c", "name": "a\nb"}, 422),
     ({"id": "c", "name": "x", "version": 9}, 404), ({"id": "c", "name": "x", "version": 0}, 422),
     ({"id": "c", "name": "x", "version": -5}, 422), ({"id": "c", "name": "x", "version": 10**30}, 422),
     ({"id": "c"}, 422), ({"name": "x"}, 422)],
)  # fmt: skip
def test_what_cannot_be_right_makes_nothing(
    api: Api, published: Image, body: dict[str, object], status: int
) -> None:
    before = list(Layer.objects.values_list())
    assert api.post(PATH, body).status_code == status
    assert list(Layer.objects.values_list()) == before
    assert Image.objects.count() == 1


def test_it_is_as_large_as_what_it_stands_on(published: Image) -> None:
    services.resize_image(image=published, size_bytes=2 * GIB)
    assert services.clone_image(image=published, new_id="a", name="A", number=1).size_bytes == GIB
    write(head("disk1"))
    assert services.clone_image(image=published, new_id="b", name="B").size_bytes == 2 * GIB
