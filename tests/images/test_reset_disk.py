"""POST /api/v1/devices/{mac}/disk/reset, and GET of a device's disk."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from devices.models import Device
from images import services
from images.models import Export, Image, Layer, LayerState, StorageNode
from netboot_site.formats import GIB
from tests.conftest import Api
from tests.images.rows import layer_of, log_in, publish, settle, state_of, write

PATH = "/api/v1/devices/52:54:00:00:00:01/disk"


def test_what_the_overlay_held_is_lost_and_a_fresh_one_is_there(api: Api, overlay: Export) -> None:
    old = write(layer_of(overlay))
    Export.objects.update(handed_out_at=timezone.now(), refresh_requested_at=timezone.now())
    answer = api.post(f"{PATH}/reset")
    assert (answer.status_code, answer.json()["kept"]) == (200, [])
    export = Export.objects.get()
    fresh = layer_of(export)
    assert (fresh.parent, fresh.used_at, state_of(old)) == (old.parent, None, LayerState.DELETING)
    assert (export.handed_out_at, export.refresh_requested_at) == (None, None)
    assert export.chap_secret == overlay.chap_secret


@pytest.mark.parametrize("persistence", ["keep", "reset"])
def test_it_stands_on_the_version_that_it_follows_then_and_keeps_nothing_aside(
    api: Api, overlay: Export, persistence: str
) -> None:
    write(layer_of(overlay))
    Export.objects.update(persistence=persistence)
    publish(overlay.image)
    shown = api.post(f"{PATH}/reset").json()
    assert (shown["version"], shown["kept"], shown["stale"]) == (2, [], False)


def test_where_its_channel_names_no_version_it_stays_on_its_own(api: Api, overlay: Export) -> None:
    publish(overlay.image)
    Export.objects.update(follows="production")
    answer = api.post(f"{PATH}/reset")
    assert (answer.status_code, answer.json()["version"]) == (200, 1)


def test_not_while_its_device_uses_it(api: Api, overlay: Export) -> None:
    log_in(overlay)
    old = write(layer_of(overlay))
    answer = api.post(f"{PATH}/reset")
    assert (answer.status_code, layer_of(overlay)) == (409, old)
    assert "in use by lab1-01" in answer.json()["detail"]


def test_another_devices_session_is_no_reason(
    api: Api, overlay: Export, make_device: Callable[..., Device]
) -> None:
    log_in(services.assign_image(image=overlay.image, device=make_device(2), mode="overlay"))
    assert api.post(f"{PATH}/reset").status_code == 200


def test_an_exclusive_disk_cannot_be_reset_and_says_what_to_do(
    api: Api, published: Image, make_device: Callable[..., Device]
) -> None:
    device = make_device(1)
    assert "has no disk" in api.post(f"{PATH}/reset").json()["detail"]
    services.assign_image(image=published, device=device)
    answer = api.post(f"{PATH}/reset")
    assert (answer.status_code, "roll the image back instead" in answer.json()["detail"]) == (409, True)


def test_where_room_is_short_a_reset_makes_some(api: Api, overlay: Export) -> None:
    StorageNode.objects.update(observed_free_bytes=1, observed_reserve_bytes=GIB)
    assert api.post(f"{PATH}/reset").status_code == 200


def test_the_disk_is_shown_with_its_fill_and_its_state(api: Api, overlay: Export) -> None:
    Layer.objects.filter(pk=layer_of(overlay).pk).update(observed_used_bytes=GIB // 4)
    assert api.get(PATH).json() == {
        "mac": "52:54:00:00:00:01", "image_id": "disk1", "mode": "overlay", "persistence": "keep",
        "follows": "", "version": 1, "size_bytes": GIB, "used_bytes": GIB // 4, "fill": 0.25,
        "state": "ready", "stale": False, "last_error": "", "kept": [], "waits_for": [],
    }  # fmt: skip


def test_after_a_change_it_is_not_ready_until_the_new_layer_was_seen(api: Api, overlay: Export) -> None:
    settle()
    assert api.get(PATH).json()["state"] == "ready"
    assert api.post(f"{PATH}/reset").json()["state"] == "pending"
    services.merge_disk(device=layer_ready(overlay))
    assert api.get(PATH).json()["state"] == "pending"
    settle()
    assert api.get(PATH).json()["state"] == "ready"


def layer_ready(export: Export) -> Device:
    settle()
    return export.device


def test_an_exclusive_disk_and_none_are_shown_too(
    api: Api, published: Image, make_device: Callable[..., Device]
) -> None:
    device = make_device(1)
    answer = api.get(PATH)
    assert (answer.status_code, "has no disk" in answer.json()["detail"]) == (404, True)
    services.assign_image(image=published, device=device)
    settle()
    shown = api.get(PATH).json()
    assert (shown["mode"], shown["version"], shown["used_bytes"], shown["fill"]) == (
        "exclusive", None, None, None,
    )  # fmt: skip


@pytest.mark.parametrize("call", ["reset", "merge", "kept/1/restore"])
def test_who_only_reads_changes_nothing(
    overlay: Export, viewer: User, operator: User, make_api: Callable[..., Api], call: str
) -> None:
    before = list(Layer.objects.values_list())
    for client in (make_api(viewer), make_api(operator, "read")):
        assert client.post(f"{PATH}/{call}").status_code == 403
        assert client.delete(f"{PATH}/kept/1").status_code == 403
        assert client.get(PATH).status_code == 200
    assert list(Layer.objects.values_list()) == before


@pytest.mark.parametrize("mac", ["hello", "01:00:5e:00:00:01", "%00", "52:54:00:00:00:99"])
def test_an_address_that_is_nobodys_is_told(api: Api, overlay: Export, mac: str) -> None:
    status = 404 if mac.startswith("52") else 422
    for call in ("disk/reset", "disk/merge", "disk/kept/1/restore"):
        assert api.post(f"/api/v1/devices/{mac}/{call}").status_code == status
    assert api.get(f"/api/v1/devices/{mac}/disk").status_code == status
