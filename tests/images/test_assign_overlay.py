"""PUT /api/v1/images/{id}/assign?mode=overlay, and taking an overlay back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bootflow.services import update_profile
from devices.models import Device
from images import lineage, services
from images.models import Export, Image, Layer, LayerFormat, LayerState, Version
from netboot_site.errors import ConflictError, NotFoundError
from tests.conftest import Api
from tests.images.rows import layer_of, log_in, publish, settle, state_of, write

MAC = "52:54:00:00:00:01"
PATH = f"/api/v1/images/disk1/assign?mac={MAC}"


def test_a_device_gets_a_layer_of_its_own_over_the_version(
    api: Api, published: Image, make_device: Callable[..., Device]
) -> None:
    device = make_device(1)
    answer = api.put(f"{PATH}&mode=overlay&persistence=reset")
    assert (answer.status_code, answer.json()) == (
        200, {"status": "assigned", "image_id": "disk1", "mac": MAC},
    )  # fmt: skip
    export = Export.objects.get()
    layer = layer_of(export)
    assert (export.mode, export.persistence, export.follows, export.version) == ("overlay", "reset", "", None)
    assert (layer.parent, layer.base_version, layer.device, layer.format) == (
        published.versions.get().layer, published.versions.get(), device, LayerFormat.QCOW2,
    )  # fmt: skip
    assert export.iqn == "iqn.2026-02.local.netboot:disk1.525400000001"


def test_many_devices_share_a_version_beside_one_that_has_the_head(
    published: Image, make_device: Callable[..., Device]
) -> None:
    services.assign_image(image=published, device=make_device(100))
    for number in range(1, 31):
        services.assign_image(image=published, device=make_device(number), mode="overlay")
    overlays = Layer.objects.filter(device__isnull=False)
    assert (overlays.count(), set(overlays.values_list("parent", flat=True))) == (
        30, {published.versions.get().layer.pk},
    )  # fmt: skip
    assert len(set(overlays.values_list("number", flat=True))) == 30


@pytest.mark.parametrize(
    ("version", "follows", "number", "stands_on"),
    [("", "", None, 2), ("latest", "latest", None, 2), ("test", "test", None, 1), ("1", "pinned", 1, 1)],
)
def test_the_version_is_the_one_that_was_asked_for(
    api: Api, published: Image, make_device: Callable[..., Device],
    version: str, follows: str, number: int | None, stands_on: int,
) -> None:  # fmt: skip
    make_device(1)
    publish(published)
    services.promote(image=published, channel="test", number=1)
    assert api.put(f"{PATH}&mode=overlay&version={version}").status_code == 200
    export = Export.objects.get()
    assert (export.follows, export.version.number if export.version else None) == (follows, number)
    base = layer_of(export).base_version
    assert base is not None
    assert base.number == stands_on


def test_the_devices_channel_counts_where_nothing_was_said(
    published: Image, make_device: Callable[..., Device]
) -> None:
    publish(published)
    services.promote(image=published, channel="production", number=1)
    device = make_device(1)
    update_profile(device=device, channel="production")
    export = services.assign_image(image=published, device=device, mode="overlay")
    assert layer_of(export).base_version == Version.objects.get(number=1)


def test_an_image_without_a_version_gives_no_overlay(
    api: Api, make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    make_image()
    make_device(1)
    answer = api.put(f"{PATH}&mode=overlay")
    assert answer.status_code == 409
    assert "has no version yet; publish one first" in answer.json()["detail"]
    assert not Export.objects.exists()


def test_a_version_that_is_still_written_is_taken_where_there_is_no_other(
    make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    image = make_image()
    settle()
    services.publish_version(image=image)
    export = services.assign_image(image=image, device=make_device(1), mode="overlay")
    assert layer_of(export).state == LayerState.CREATING, "its file is made when the version is frozen"


def test_persistence_and_version_can_change_while_it_is_used(api: Api, overlay: Export) -> None:
    publish(overlay.image)
    log_in(overlay)
    before = layer_of(overlay)
    assert api.put(f"{PATH}&mode=overlay&persistence=reset&version=2").status_code == 200
    export = Export.objects.get()
    assert (export.persistence, export.follows, export.chap_secret) == (
        "reset", "pinned", overlay.chap_secret,
    )  # fmt: skip
    assert layer_of(export) == before, "the change counts at the next boot"
    assert api.put(f"{PATH}&mode=overlay").status_code == 200
    assert (Export.objects.get().persistence, Export.objects.get().follows) == ("reset", "pinned")
    assert api.put(f"{PATH}&mode=overlay&version=").status_code == 200
    assert (Export.objects.get().follows, Export.objects.get().version) == ("", None)


def test_to_change_the_mode_it_is_taken_back_first(api: Api, overlay: Export) -> None:
    answer = api.put(PATH)
    assert answer.status_code == 409
    assert "as overlay; unassign it first" in answer.json()["detail"]


def test_a_change_of_the_device_that_names_its_image_keeps_the_overlay(api: Api, overlay: Export) -> None:
    write(layer_of(overlay))
    whole = {"device_type": "x64", "name": "renamed", "image_id": "disk1"}
    for answer in (
        api.put(f"/api/v1/devices/{MAC}", whole),
        api.patch(f"/api/v1/devices/{MAC}", {"image_id": "disk1"}),
    ):
        assert (answer.status_code, answer.json()["image_id"]) == (200, "disk1")
    export = Export.objects.get()
    assert (export.mode, layer_of(export), export.pk) == ("overlay", layer_of(overlay), overlay.pk)


@pytest.mark.parametrize(
    "query",
    ["mode=overlay&version=0", "mode=overlay&version=-1", "mode=overlay&version=1.0",
     "mode=overlay&version=%00",
     "mode=overlay&version=%D9%A1", "mode=overlay&version=" + "9" * 30, "mode=overlay&version=pinned",
     "mode=overlay&persistence=", "mode=overlay&persistence=KEEP", "mode=overlay&persistence=%00",
     "mode=overlay%00", "mode=", "persistence=keep", "version=latest", "mode=exclusive&version=1"],
)  # fmt: skip
def test_what_cannot_be_right_assigns_nothing(
    api: Api, published: Image, make_device: Callable[..., Device], query: str
) -> None:
    make_device(1)
    assert api.put(f"{PATH}&{query}").status_code == 422
    assert not Export.objects.exists()


def test_a_version_that_is_not_there_is_told(
    api: Api, published: Image, make_device: Callable[..., Device]
) -> None:
    make_device(1)
    for number in (2, 2**31 - 1, 2**31, 9_999_999_999):
        assert api.put(f"{PATH}&mode=overlay&version={number}").status_code == 404


def test_taking_it_back_takes_what_it_holds_and_what_was_kept(api: Api, overlay: Export) -> None:
    old = write(layer_of(overlay))
    lineage.refresh(overlay, publish(overlay.image))
    present = write(layer_of(overlay))
    assert [layer.pk for layer in services.kept_changes(device=overlay.device)] == [old.pk]
    assert api.put("/api/v1/images/disk1/unassign").status_code == 200
    assert (state_of(old), state_of(present)) == (LayerState.DELETING, LayerState.DELETING)
    assert not Layer.objects.filter(device__isnull=False).exists()
    assert {version.layer.state for version in Version.objects.select_related("layer")} == {LayerState.READY}


def test_where_several_have_one_it_must_be_said_whose(
    api: Api, overlay: Export, make_device: Callable[..., Device]
) -> None:
    other = services.assign_image(image=overlay.image, device=make_device(2), mode="overlay")
    answer = api.put("/api/v1/images/disk1/unassign")
    assert (answer.status_code, Export.objects.count()) == (409, 2)
    assert "say which one with `mac`" in answer.json()["detail"]
    kept = layer_of(other)
    assert api.put(f"/api/v1/images/disk1/unassign?mac={MAC}").status_code == 200
    assert (Export.objects.get(), state_of(kept)) == (other, LayerState.CREATING)


def test_not_while_its_own_device_is_logged_in(
    api: Api, overlay: Export, make_device: Callable[..., Device]
) -> None:
    other = services.assign_image(image=overlay.image, device=make_device(2), mode="overlay")
    log_in(overlay)
    assert api.put(f"/api/v1/images/disk1/unassign?mac={MAC}").status_code == 409
    assert api.put(f"/api/v1/images/disk1/unassign?mac={other.device.mac}").status_code == 200


def test_an_image_with_overlays_is_not_deleted(overlay: Export) -> None:
    with pytest.raises(ConflictError, match="assigned to lab1-01; unassign it first"):
        services.delete_image(image=overlay.image)


def test_what_a_device_does_not_have_is_not_taken(
    overlay: Export, make_device: Callable[..., Device]
) -> None:
    with pytest.raises(NotFoundError, match="not assigned to lab1-02"):
        services.unassign_image(image=overlay.image, device=make_device(2))


def test_a_device_that_is_forgotten_leaves_no_overlay(api: Api, overlay: Export) -> None:
    layer = write(layer_of(overlay))
    assert api.delete(f"/api/v1/devices/{MAC}").status_code == 204
    assert (Export.objects.count(), state_of(layer)) == (0, LayerState.DELETING)
