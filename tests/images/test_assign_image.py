"""PUT /api/v1/images/{id}/assign: who gets a disk."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import pytest
from django.db import connection

from devices.models import Device, DeviceState
from images import services
from images.models import Export, Image, ImageState
from netboot_site.errors import ConflictError
from tests.conftest import Api


def test_a_device_gets_its_disk(
    api: Api, make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    make_image()
    make_device(1)
    answer = api.put("/api/v1/images/disk1/assign?mac=52-54-00-00-00-01")
    assert (answer.status_code, answer.json()) == (
        200, {"status": "assigned", "image_id": "disk1", "mac": "52:54:00:00:00:01"},
    )  # fmt: skip


def test_the_same_again_changes_nothing(
    make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    image, device = make_image(), make_device(1)
    first = services.assign_image(image=image, device=device)
    again = services.assign_image(image=image, device=device)
    assert (first.pk, first.chap_secret) == (again.pk, again.chap_secret)


def test_each_assignment_has_its_own_chap_account(
    make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    image, device = make_image(), make_device(1)
    first = services.assign_image(image=image, device=device)
    services.unassign_image(image=image)
    second = services.assign_image(image=image, device=device)
    assert first.chap_secret != second.chap_secret
    assert first.chap_username != second.chap_username
    for export in (first, second):
        assert re.fullmatch(r"[A-Za-z0-9]{16}", export.chap_secret)
        assert export.chap_username.startswith("disk1.")


def test_a_second_writer_is_refused_and_told_who_has_it(
    api: Api, make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    services.assign_image(image=make_image(), device=make_device(1, name="lab1-01"))
    make_device(2)
    answer = api.put("/api/v1/images/disk1/assign?mac=52:54:00:00:00:02")
    assert answer.status_code == 409
    assert "assigned to lab1-01" in answer.json()["detail"]


def test_a_device_has_one_disk_and_is_told_which(
    make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    device = make_device(1)
    services.assign_image(image=make_image("disk1"), device=device)
    with pytest.raises(ConflictError, match="has the image 'disk1' already"):
        services.assign_image(image=make_image("disk2"), device=device)


@pytest.mark.parametrize(
    ("image_type", "device_type", "fits"),
    [("raspi", "raspi", True), ("raspi", "x64", False), ("raspi", "x86", False),
     ("x86", "x86", True), ("x86", "x64", True), ("x86", "raspi", False),
     ("x64", "x64", True), ("x64", "x86", False), ("x64", "raspi", False)],
)  # fmt: skip
def test_the_types_must_fit(
    make_image: Callable[..., Image],
    make_device: Callable[..., Device],
    image_type: str,
    device_type: str,
    fits: bool,
) -> None:
    image, device = make_image(device_type=image_type), make_device(1, device_type)
    if fits:
        services.assign_image(image=image, device=device)
    else:
        with pytest.raises(ConflictError, match=f"is for {image_type}"):
            services.assign_image(image=image, device=device)


def test_unknown_ones_are_404_and_bad_addresses_422(
    api: Api, make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    make_image()
    make_device(1)
    assert api.put("/api/v1/images/nope/assign?mac=52:54:00:00:00:01").status_code == 404
    assert api.put("/api/v1/images/disk1/assign?mac=52:54:00:00:00:99").status_code == 404
    assert api.put("/api/v1/images/disk1/assign?mac=hello").status_code == 422
    assert api.put("/api/v1/images/disk1/assign?mac=01:00:5e:00:00:01").status_code == 422
    assert api.put("/api/v1/images/disk1/assign").status_code == 422


@pytest.mark.parametrize("state", [ImageState.FAILED, ImageState.DELETING])
def test_a_disk_that_is_not_there_is_not_given(
    make_image: Callable[..., Image], make_device: Callable[..., Device], state: ImageState
) -> None:
    image = make_image()
    Image.objects.update(state=state)
    with pytest.raises(ConflictError, match=f"is {state}"):
        services.assign_image(image=image, device=make_device(1))


def test_a_device_that_nobody_approved_gets_no_disk(
    make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    device = make_device(1)
    device.state = DeviceState.DISCOVERED
    device.save()
    with pytest.raises(ConflictError, match="approve it first"):
        services.assign_image(image=make_image(), device=device)


@pytest.mark.django_db(transaction=True)
def test_of_two_that_ask_at_once_exactly_one_gets_the_disk(
    make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    image, devices = make_image(), [make_device(number) for number in range(1, 9)]
    together = threading.Barrier(len(devices))
    outcomes: list[str] = []

    def ask(device: Device) -> None:
        together.wait()
        try:
            services.assign_image(image=image, device=device)
            outcomes.append("got it")
        except ConflictError:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["got it"] + ["refused"] * 7
    assert Export.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_disks_given_at_once_a_device_gets_exactly_one(
    make_image: Callable[..., Image], make_device: Callable[..., Device]
) -> None:
    device, images = make_device(1), [make_image(f"disk{number}") for number in range(6)]
    together = threading.Barrier(len(images))
    refused: list[str] = []

    def give(image: Image) -> None:
        together.wait()
        try:
            services.assign_image(image=image, device=device)
        except ConflictError as error:
            refused.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=give, args=(image,)) for image in images]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(refused), Export.objects.count()) == (5, 1)
