"""POST /api/v1/devices/{mac}/disk/merge: an overlay becomes the image's next version."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection
from django.utils import timezone

from devices.models import Device
from images import lineage, services
from images.models import Export, Image, ImageState, Layer, LayerState, Version
from netboot_site.errors import ConflictError
from tests.conftest import Api
from tests.images.rows import layer_of, log_in, publish, settle, state_of, write

PATH = "/api/v1/devices/52:54:00:00:00:01/disk/merge"


def head() -> Layer:
    return lineage.head_of(Image.objects.get(pk="disk1"))


def test_its_layer_is_the_next_version_and_it_goes_on_over_it(api: Api, overlay: Export) -> None:
    merged = write(layer_of(overlay))
    Export.objects.update(handed_out_at=timezone.now(), refresh_requested_at=timezone.now())
    answer = api.post(PATH, {"comment": "from lab1-01"})
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["number"], shown["comment"], shown["created_by"], shown["state"]) == (
        2, "from lab1-01", "operator", "publishing",
    )  # fmt: skip
    version = Version.objects.get(number=2)
    merged.refresh_from_db()
    assert (version.layer, merged.frozen, merged.device, merged.base_version) == (merged, True, None, None)
    fresh = layer_of(overlay)
    assert (fresh.parent, fresh.base_version, fresh.used_at) == (merged, version, None)
    overlay.refresh_from_db()
    assert (overlay.handed_out_at, overlay.refresh_requested_at) == (None, None)


def test_a_pinned_overlay_is_pinned_to_what_it_became(
    api: Api, published: Image, make_device: Callable[..., Device]
) -> None:
    services.assign_image(image=published, device=make_device(1), mode="overlay", version="1")
    settle()
    assert api.post(PATH).status_code == 200
    export = Export.objects.get()
    assert (export.follows, export.version) == ("pinned", Version.objects.get(number=2))


def test_a_head_that_nobody_wrote_moves_on_to_it(api: Api, overlay: Export) -> None:
    old = head()
    api.post(PATH)
    assert head().parent == Version.objects.get(number=2).layer
    assert state_of(old) == LayerState.DELETING
    settle()
    assert publish(overlay.image).layer.parent == Version.objects.get(number=2).layer


def test_a_head_that_was_written_or_is_given_away_stays(
    api: Api, overlay: Export, make_device: Callable[..., Device]
) -> None:
    services.assign_image(image=overlay.image, device=make_device(2))
    before = head()
    api.post(PATH)
    settle()
    services.unassign_image(image=overlay.image, device=Device.objects.get(mac="52:54:00:00:00:02"))
    write(before)
    assert (api.post(PATH).status_code, head()) == (200, before)


def test_a_head_whose_device_was_told_of_it_counts_as_written_after_it_was_taken_back(
    api: Api, overlay: Export, make_device: Callable[..., Device]
) -> None:
    device = make_device(2)
    services.assign_image(image=overlay.image, device=device)
    Export.objects.filter(device=device).update(handed_out_at=timezone.now())
    services.unassign_image(image=overlay.image, device=device)
    before = head()
    assert before.used_at is not None
    api.post(PATH)
    assert head() == before


def test_an_upload_that_is_running_keeps_its_head(api: Api, overlay: Export) -> None:
    before = head()
    Image.objects.update(state=ImageState.IMPORTING)
    assert (api.post(PATH).status_code, head()) == (200, before)


def test_not_while_its_device_uses_it(api: Api, overlay: Export) -> None:
    log_in(overlay)
    answer = api.post(PATH)
    assert (answer.status_code, Version.objects.count()) == (409, 1)
    assert "in use by lab1-01" in answer.json()["detail"]


def test_not_before_its_file_is_there(api: Api, overlay: Export) -> None:
    Layer.objects.filter(device__isnull=False).update(state=LayerState.CREATING)
    answer = api.post(PATH)
    assert (answer.status_code, Version.objects.count()) == (409, 1)
    assert "is not ready yet; merge it when it is" in answer.json()["detail"]


@pytest.mark.parametrize("comment", ["a\0b", "\x07", "x" * 501])
def test_a_bad_comment_merges_nothing(api: Api, overlay: Export, comment: str) -> None:
    before = layer_of(overlay)
    assert api.post(PATH, {"comment": comment}).status_code == 422
    assert (layer_of(overlay), Version.objects.count()) == (before, 1)


def test_the_version_under_it_cannot_be_deleted_afterwards(overlay: Export) -> None:
    services.merge_disk(device=overlay.device)
    with pytest.raises(ConflictError, match="version 2 stands on it"):
        services.delete_version(image=overlay.image, number=1)


def test_two_that_merge_the_same_disk_at_once_make_one_version_of_it(
    transactional_db: None, make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    image = make_image()
    settle()
    publish(image)
    device = make_device(1)
    export = services.assign_image(image=image, device=device, mode="overlay")
    settle()
    merged, together = layer_of(export), threading.Barrier(2)
    outcomes: list[str] = []

    def merge() -> None:
        together.wait()
        try:
            outcomes.append(str(services.merge_disk(device=device).number))
        except ConflictError as error:
            outcomes.append("refused" if "not ready yet" in str(error) else str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=merge) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["2", "refused"], "the fresh overlay of the first has no file yet"
    assert Version.objects.get(number=2).layer == merged


def test_a_disk_that_is_taken_away_while_it_is_merged_is_either_merged_first_or_not_at_all(
    transactional_db: None, make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    image = make_image()
    settle()
    publish(image)
    devices = [make_device(number) for number in range(1, 4)]
    for device in devices:
        services.assign_image(image=image, device=device, mode="overlay")
    settle()
    together = threading.Barrier(6)
    merged: list[object] = []
    refused: list[str] = []

    def run(work: Callable[..., object], device: Device) -> None:
        together.wait()
        try:
            merged.append(work(image, device))
        except ConflictError as error:
            refused.append(str(error))
        finally:
            connection.close()

    works: list[Callable[..., object]] = [
        lambda image, device: services.merge_disk(device=device).number,
        lambda image, device: services.unassign_image(image=image, device=device),
    ]
    threads = [threading.Thread(target=run, args=(work, device)) for device in devices for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [number for number in merged if number is not None]
    assert (Export.objects.count(), len(numbers) + len(refused)) == (0, 3)
    assert sorted(Version.objects.values_list("number", flat=True)) == [1, *range(2, 2 + len(numbers))]
    assert all("no disk" in why or "taken from it just now" in why for why in refused), refused
    assert not Layer.objects.filter(device__isnull=False).exists()
