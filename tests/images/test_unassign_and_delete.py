"""Taking a disk from its device, and deleting it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from devices.models import Device
from images import services
from images.models import Export, Image, ImageState, Session
from netboot_site.errors import NotFoundError
from tests.conftest import Api


@pytest.fixture
def export(make_image: Callable[..., Image], make_device: Callable[..., Device]) -> Export:
    return services.assign_image(image=make_image(), device=make_device(1))


def log_in(export: Export) -> Session:
    return Session.objects.create(
        iqn=export.iqn, handle="1-1", image=export.image,
        initiator_name=export.initiator_name, started_at=timezone.now(),
    )  # fmt: skip


def test_a_disk_is_taken_back(api: Api, export: Export) -> None:
    answer = api.put("/api/v1/images/disk1/unassign")
    assert (answer.status_code, answer.json()) == (200, {"status": "unassigned", "image_id": "disk1"})
    assert api.get("/api/v1/images/disk1").json()["assigned_to"] is None


def test_not_while_it_is_in_use(api: Api, export: Export) -> None:
    session = log_in(export)
    answer = api.put("/api/v1/images/disk1/unassign")
    assert answer.status_code == 409
    assert "in use by lab1-01" in answer.json()["detail"]
    assert services.in_use(image=export.image)
    session.ended_at = timezone.now()
    session.save()
    assert api.put("/api/v1/images/disk1/unassign").status_code == 200


def test_not_from_a_device_that_has_it_not(
    api: Api, export: Export, make_device: Callable[..., Device]
) -> None:
    with pytest.raises(NotFoundError, match="not assigned to lab1-02"):
        services.unassign_image(image=export.image, device=make_device(2))
    assert api.put("/api/v1/images/disk1/unassign?mac=52:54:00:00:00:01").status_code == 200
    assert api.put("/api/v1/images/disk1/unassign").status_code == 404


def test_an_assigned_image_is_not_deleted(api: Api, export: Export) -> None:
    answer = api.delete("/api/v1/images/disk1")
    assert answer.status_code == 409
    assert "assigned to lab1-01" in answer.json()["detail"]


def test_deleting_is_a_state_that_the_converger_ends(
    api: Api, make_image: Callable[..., Image], converge: Callable[[], None]
) -> None:
    make_image()
    converge()
    assert api.delete("/api/v1/images/disk1").status_code == 202
    assert api.delete("/api/v1/images/disk1").status_code == 202, "asking again does no harm"
    assert api.get("/api/v1/images/disk1").json()["state"] == "deleting"
    converge()
    assert api.get("/api/v1/images/disk1").status_code == 404
    assert api.delete("/api/v1/images/disk1").status_code == 404


def test_an_image_that_is_being_uploaded_is_not_deleted(api: Api, make_image: Callable[..., Image]) -> None:
    make_image()
    Image.objects.update(state=ImageState.IMPORTING)
    assert api.delete("/api/v1/images/disk1").status_code == 409
