"""DELETE /api/v1/images/{id}/versions/{number}: only what nothing uses goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from devices.models import Device
from images import lineage, services
from images.models import Export, Image, Job, JobKind, Layer, LayerState, Version
from tests.conftest import Api
from tests.images.rows import layer_of, publish, settle, state_of, write

PATH = "/api/v1/images/disk1/versions/2"


@pytest.fixture
def second(published: Image) -> Version:
    """A version 2 that nothing uses: the head went back to version 1."""
    version = publish(published, "second")
    services.roll_back(image=published, number=1)
    settle()
    return version


def refusal(api: Api) -> str:
    answer = api.delete(PATH)
    assert answer.status_code == 409, answer.content
    assert Version.objects.filter(number=2).exists()
    detail: str = answer.json()["detail"]
    return detail


def test_what_nothing_uses_goes_with_its_file(api: Api, second: Version) -> None:
    assert api.delete(PATH).status_code == 204
    assert state_of(second.layer) == LayerState.DELETING
    assert api.delete(PATH).status_code == 404
    assert Version.objects.get().number == 1


def test_the_layers_under_it_stay_as_long_as_a_version_names_them(api: Api, second: Version) -> None:
    api.delete(PATH)
    assert state_of(Version.objects.get(number=1).layer) == LayerState.READY


def test_a_layer_under_it_that_nothing_else_needs_goes_too(api: Api, published: Image) -> None:
    nameless = write(lineage.head_of(Image.objects.get()))
    services.clone_image(image=published, new_id="copy", name="Copy")
    settle()
    publish(published)
    services.roll_back(image=published, number=1)
    copy = Image.objects.get(pk="copy")
    lineage.replace_head(copy, lineage.add_layer(copy, None))
    assert state_of(nameless) == LayerState.READY, "version 2 stands on it"
    assert api.delete(PATH).status_code == 204
    assert state_of(nameless) == LayerState.DELETING


def test_not_while_a_channel_names_it(api: Api, second: Version) -> None:
    services.promote(image=second.image, channel="production", number=2)
    assert "the channel production names it" in refusal(api)


def test_not_while_a_device_is_pinned_to_it(
    api: Api, second: Version, make_device: Callable[..., Device]
) -> None:
    export = services.assign_image(image=second.image, device=make_device(1), mode="overlay", version="1")
    Export.objects.filter(pk=export.pk).update(version=second)
    assert "lab1-01 is pinned to it" in refusal(api)


def test_not_while_an_overlay_stands_on_it(
    api: Api, second: Version, make_device: Callable[..., Device]
) -> None:
    services.assign_image(image=second.image, device=make_device(1), mode="overlay", version="latest")
    assert "the disk of lab1-01 stands on it" in refusal(api)


def test_not_while_kept_changes_stand_on_it(
    api: Api, second: Version, make_device: Callable[..., Device]
) -> None:
    export = services.assign_image(
        image=second.image, device=make_device(1), mode="overlay", version="latest"
    )
    write(layer_of(export))
    export.refresh_from_db()
    lineage.refresh(export, Version.objects.get(number=1))
    assert "changes that lab1-01 kept stand on it" in refusal(api)
    kept = services.kept_changes(device=export.device)
    services.discard_kept(device=export.device, layer_number=kept[0].number)
    assert api.delete(PATH).status_code == 204


def test_not_while_the_head_or_another_version_stands_on_it(api: Api, published: Image) -> None:
    publish(published)
    assert "the image's head stands on it" in refusal(api)
    publish(published)
    assert "version 3 stands on it" in refusal(api)


def test_not_while_a_clone_stands_on_it(api: Api, second: Version) -> None:
    services.clone_image(image=second.image, new_id="copy", name="Copy", number=2)
    assert "the image copy is a clone of it" in refusal(api)


@pytest.mark.parametrize(
    ("kind", "status"), [(JobKind.SQUASH, 409), (JobKind.EXPORT, 409), (JobKind.CHECKSUM, 204)]
)
def test_not_while_its_bytes_are_at_work_but_a_checksum_is_not_waited_for(
    api: Api, second: Version, kind: JobKind, status: int
) -> None:
    Job.objects.create(image=second.image, version=second, kind=kind)
    assert api.delete(PATH).status_code == status
    Job.objects.update(finished_at=timezone.now())
    assert api.delete(PATH).status_code in {204, 404}


@pytest.mark.parametrize(
    ("number", "status"),
    [("9", 404), ("0", 422), ("-1", 422), ("1e30", 422), ("9" * 40, 422), ("x", 422), ("%00", 422)],
)
def test_a_number_that_names_nothing_deletes_nothing(
    api: Api, second: Version, number: str, status: int
) -> None:
    before = list(Layer.objects.values_list())
    assert api.delete(f"/api/v1/images/disk1/versions/{number}").status_code == status
    assert (Version.objects.count(), list(Layer.objects.values_list())) == (2, before)
