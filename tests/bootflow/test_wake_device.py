"""POST /api/v1/devices/{mac}/wake."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from devices.models import Device, DeviceState
from netboot_site.models import Change
from tests.bootflow.conftest import MAC
from tests.conftest import Api

PATH = f"/api/v1/devices/{MAC}/wake"


def test_a_device_is_noted_to_be_woken(api: Api, device: Device) -> None:
    before = timezone.now()
    answer = api.post(PATH)
    assert answer.status_code == 202
    told = answer.json()
    device.refresh_from_db()
    assert device.wake_requested_at is not None
    assert before <= device.wake_requested_at <= timezone.now()
    assert (told["status"], told["mac"]) == ("waking", MAC)
    # JSON has milliseconds.
    assert abs((parse_datetime(told["wake_requested_at"]) - device.wake_requested_at).total_seconds()) < 0.001


def test_whoever_wakes_it_stands_in_its_journal(api: Api, device: Device) -> None:
    api.post(PATH)
    change = Change.objects.get(key=MAC, text__startswith="Asked")
    assert (change.kind, change.person, change.text) == (
        "device", "operator", "Asked to power on (Wake-on-LAN)",
    )  # fmt: skip


def test_waking_is_no_edit_that_another_person_would_be_told_of(api: Api, device: Device) -> None:
    api.post(PATH)
    assert Device.objects.get().updated_at == device.updated_at


def test_a_device_that_nobody_approved_is_not_woken(api: Api, db: None) -> None:
    Device.objects.create(mac=MAC, device_type="x64", state=DeviceState.DISCOVERED)
    answer = api.post(PATH)
    assert (answer.status_code, answer.json()["detail"]) == (
        409, f"The device {MAC} is not approved yet; approve it first.",
    )  # fmt: skip
    assert Device.objects.get().wake_requested_at is None
    assert not Change.objects.exists()


@pytest.mark.parametrize(("mac", "status"), [("52:54:00:00:00:99", 404), ("pc-07", 422)])
def test_what_is_no_device_is_not_woken(api: Api, db: None, mac: str, status: int) -> None:
    assert api.post(f"/api/v1/devices/{mac}/wake").status_code == status


def test_a_viewer_wakes_nothing(make_api: Callable[..., Api], viewer: User, device: Device) -> None:
    assert make_api(viewer).post(PATH).status_code == 403
    assert Device.objects.get().wake_requested_at is None
