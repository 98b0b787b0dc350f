"""GET /boots and /devices/{mac}/boots."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bootflow.models import Boot, BootEvent
from devices.models import Device
from tests.bootflow.conftest import MAC
from tests.conftest import Api

OTHER = "52:54:00:00:00:02"


def make_boots(count: int) -> None:
    start = timezone.now().replace(microsecond=0) - timedelta(hours=1)
    for number in range(count):
        at = start + timedelta(minutes=number)
        boot = Boot.objects.create(
            mac=MAC if number % 2 == 0 else OTHER, started_at=at, last_event_at=at, stage="os",
            finished_at=at + timedelta(seconds=30), outcome="ok", reason="",
        )  # fmt: skip
        for seconds, stage in ((0, "dhcp"), (1.5, "script"), (30, "os")):
            BootEvent.objects.create(boot=boot, at=at + timedelta(seconds=seconds), stage=stage, kind="x")


def test_boots_come_newest_first_with_their_events(api: Api) -> None:
    make_boots(3)
    boots = api.get("/api/v1/boots").json()
    assert [boot["mac"] for boot in boots] == [MAC, OTHER, MAC]
    assert set(boots[0]) == {
        "id", "mac", "started_at", "finished_at", "stage", "outcome", "reason", "cause", "own_seconds",
        "events",
    }  # fmt: skip
    events = boots[0]["events"]
    assert [(event["stage"], event["elapsed_seconds"]) for event in events] == [
        ("dhcp", 0.0), ("script", 1.5), ("os", 30.0),
    ]  # fmt: skip
    assert {"stage", "at", "elapsed_seconds", "detail"} <= set(events[0])


def test_a_devices_boots_are_its_own(api: Api, device: Device) -> None:
    make_boots(4)
    boots = api.get(f"/api/v1/devices/{MAC.upper()}/boots").json()
    assert [boot["mac"] for boot in boots] == [MAC, MAC]
    assert api.get(f"/api/v1/devices/{OTHER}/boots").status_code == 404


def test_a_boot_that_goes_on_has_no_outcome(api: Api) -> None:
    now = timezone.now()
    Boot.objects.create(mac=MAC, started_at=now, last_event_at=now, stage="dhcp")
    (boot,) = api.get("/api/v1/boots").json()
    assert (boot["outcome"], boot["finished_at"], boot["events"]) == (None, None, [])


@pytest.mark.parametrize("path", ["/api/v1/boots", f"/api/v1/devices/{MAC}/boots"])
def test_the_limit_is_kept_and_bounded(api: Api, device: Device, path: str) -> None:
    make_boots(6)
    assert len(api.get(f"{path}?limit=2").json()) == 2
    for wrong in ("-1", "1e30", "x", "100000"):
        assert api.get(f"{path}?limit={wrong}").status_code == 422


def test_the_number_of_queries_does_not_grow(
    api: Api, django_assert_num_queries: Callable[[int], Any]
) -> None:
    make_boots(1)
    api.get("/api/v1/boots")
    for _ in range(2):
        with django_assert_num_queries(3):  # the token, the boots, their events
            api.get("/api/v1/boots")
        make_boots(20)
