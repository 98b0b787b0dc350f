"""What an overlay keeps when its version moves on: shown, restored, discarded, never silently lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from devices.models import Device
from images import lineage, services
from images.models import Export, Layer, LayerState, Version
from netboot_site.errors import ConflictError
from tests.conftest import Api
from tests.images.rows import layer_of, log_in, publish, settle, state_of, write

DISK = "/api/v1/devices/52:54:00:00:00:01/disk"


@pytest.fixture
def moved(overlay: Export) -> Export:
    """An overlay that was written on version 1 and moved on to version 2."""
    write(layer_of(overlay))
    lineage.refresh(overlay, publish(overlay.image))
    settle()
    overlay.refresh_from_db()
    return overlay


def kept(export: Export) -> list[int]:
    return [layer.number for layer in services.kept_changes(device=export.device)]


def test_they_are_shown_with_their_version(api: Api, moved: Export) -> None:
    Layer.objects.filter(number__in=kept(moved)).update(observed_used_bytes=4096)
    (shown,) = api.get(DISK).json()["kept"]
    assert shown.pop("used_at")
    assert shown == {"number": kept(moved)[0], "version": 1, "used_bytes": 4096}


@pytest.mark.parametrize(
    ("persistence", "used", "handed_out", "same_version", "fate"),
    [
        ("keep", True, False, False, "kept"), ("keep", False, True, False, "kept"),
        ("keep", False, False, False, "gone"), ("keep", True, False, True, "stays"),
        ("keep", False, True, True, "stays"), ("reset", True, False, False, "gone"),
        ("reset", True, True, True, "gone"), ("reset", False, False, True, "gone"),
    ],
)  # fmt: skip
def test_what_becomes_of_an_overlay_that_is_refreshed(
    overlay: Export, persistence: str, used: bool, handed_out: bool, same_version: bool, fate: str
) -> None:
    now = timezone.now()
    overlay.persistence, overlay.handed_out_at = persistence, now if handed_out else None
    overlay.refresh_requested_at, overlay.observed_stale = now, True
    old = write(layer_of(overlay)) if used else layer_of(overlay)
    overlay.save()
    other = publish(overlay.image)
    lineage.refresh(overlay, Version.objects.get(number=1) if same_version else other)
    row = Export.objects.get()
    assert (row.refresh_requested_at, row.observed_stale) == (None, False)
    told = {
        "kept": (False, [old.number], LayerState.READY),
        "stays": (True, [], LayerState.READY),
        "gone": (False, [], LayerState.DELETING),
    }[fate]
    assert (row.layer_id == old.pk, kept(row), state_of(old)) == told
    if fate != "stays":
        assert row.handed_out_at is None
    if fate == "kept":
        assert Layer.objects.get(pk=old.pk).used_at is not None


def test_restoring_goes_on_with_them_and_stays_on_their_version(api: Api, moved: Export) -> None:
    number, empty = kept(moved)[0], layer_of(moved)
    answer = api.post(f"{DISK}/kept/{number}/restore")
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["version"], shown["follows"], shown["persistence"], shown["kept"]) == (
        1, "pinned", "keep", [],
    )  # fmt: skip
    assert (layer_of(moved).number, state_of(empty)) == (number, LayerState.DELETING)


def test_what_the_present_overlay_holds_is_kept_in_its_turn(api: Api, moved: Export) -> None:
    number, present = kept(moved)[0], write(layer_of(moved))
    shown = api.post(f"{DISK}/kept/{number}/restore").json()
    assert [(one["number"], one["version"]) for one in shown["kept"]] == [(present.number, 2)]
    again = api.post(f"{DISK}/kept/{present.number}/restore").json()
    assert [(one["number"], one["version"]) for one in again["kept"]] == [(number, 1)]
    assert again["version"] == 2


def test_a_restored_overlay_counts_as_written_so_that_it_is_kept_again(moved: Export) -> None:
    number = kept(moved)[0]
    restored = services.restore_kept(device=moved.device, layer_number=number)
    lineage.refresh(restored, Version.objects.get(number=2))
    assert kept(restored) == [number]


def test_a_refresh_that_was_asked_for_before_does_not_throw_them_away(api: Api, moved: Export) -> None:
    now = timezone.now()
    Export.objects.update(refresh_requested_at=now, observed_stale=True, persistence="reset")
    api.post(f"{DISK}/kept/{kept(moved)[0]}/restore")
    row = Export.objects.get()
    assert (row.refresh_requested_at, row.observed_stale, row.persistence) == (None, False, "keep")


def test_discarding_deletes_them(api: Api, moved: Export) -> None:
    (layer,) = services.kept_changes(device=moved.device)
    assert api.delete(f"{DISK}/kept/{layer.number}").status_code == 204
    assert (state_of(layer), kept(moved)) == (LayerState.DELETING, [])
    assert api.delete(f"{DISK}/kept/{layer.number}").status_code == 404


def test_not_restored_while_in_use_but_discarded(api: Api, moved: Export) -> None:
    log_in(moved)
    number, before = kept(moved)[0], layer_of(moved)
    assert api.post(f"{DISK}/kept/{number}/restore").status_code == 409
    assert (layer_of(moved), kept(moved)) == (before, [number])
    assert api.delete(f"{DISK}/kept/{number}").status_code == 204


def test_another_devices_changes_and_the_present_overlay_are_no_kept_ones(
    api: Api, moved: Export, make_device: Callable[..., Device]
) -> None:
    services.assign_image(image=moved.image, device=make_device(2), mode="overlay")
    other = f"/api/v1/devices/52:54:00:00:00:02/disk/kept/{kept(moved)[0]}"
    present = f"{DISK}/kept/{layer_of(moved).number}"
    for path in (other, present):
        assert (api.delete(path).status_code, api.post(f"{path}/restore").status_code) == (404, 404)
    assert len(kept(moved)) == 1


@pytest.mark.parametrize("number", ["0", "-1", "1e9", "9" * 40, "x", "%00"])
def test_a_number_that_cannot_be_right_is_refused(api: Api, moved: Export, number: str) -> None:
    path = f"{DISK}/kept/{number}"
    assert (api.delete(path).status_code, api.post(f"{path}/restore").status_code) == (422, 422)


def test_the_version_under_them_stays(moved: Export) -> None:
    with pytest.raises(ConflictError):
        services.delete_version(image=moved.image, number=1)
