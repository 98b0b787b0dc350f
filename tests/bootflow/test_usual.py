"""How long boots usually take."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bootflow.models import Boot, BootEvent, Stage
from bootflow.usual import LAST_BOOTS, macs_of_model, model_of, stage_usuals, usual_of_devices, usual_of_model
from devices.models import Device

pytestmark = pytest.mark.django_db
MAC, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"
NOW = timezone.now()


def took(mac: str, seconds: float, days_ago: float = 1, **changes: Any) -> Boot:
    at = NOW - timedelta(days=days_ago)
    values = {"stage": Stage.OS, "outcome": "ok", "finished_at": at + timedelta(seconds=seconds), **changes}
    return Boot.objects.create(mac=mac, started_at=at, last_event_at=at, **values)


def machine(mac: str, **facts: str) -> Device:
    return Device.objects.create(mac=mac, name=mac, device_type="x64", facts=facts)


def events(boot: Boot, *told: tuple[str, str, float]) -> None:
    for stage, kind, after in told:
        at = boot.started_at + timedelta(seconds=after)
        BootEvent.objects.create(boot=boot, stage=stage, kind=kind, at=at)


def test_a_device_usually_takes_the_median_of_its_boots_that_ended_well() -> None:
    for seconds in (10, 20, 30, 40, 100):
        took(MAC, seconds, days_ago=seconds)
    took(MAC, 5000, outcome="failed")
    took(MAC, 5000, stage=Stage.INSTALLER)
    took(MAC, 5000, finished_at=None, outcome="")
    took(OTHER, 7)
    usual = usual_of_devices([MAC, OTHER, "52:54:00:00:00:03"])
    assert set(usual) == {MAC, OTHER}
    assert (usual[MAC].count, usual[MAC].median_seconds, round(usual[MAC].p95_seconds, 6)) == (5, 30, 88)


def test_only_the_latest_boots_count() -> None:
    for day in range(LAST_BOOTS):
        took(MAC, 10, days_ago=1 + day)
    took(MAC, 9999, days_ago=50)
    (usual,) = usual_of_devices([MAC]).values()
    assert (usual.count, usual.p95_seconds) == (LAST_BOOTS, 10)


def test_the_boot_that_is_compared_is_left_out_of_what_it_is_compared_with() -> None:
    took(MAC, 10)
    slow = took(MAC, 600, days_ago=0.5)
    assert usual_of_devices([MAC], but=slow.pk)[MAC].p95_seconds == 10


def test_many_devices_are_one_query_and_none_are_no_query(
    django_assert_num_queries: Callable[[int], Any],
) -> None:
    took(MAC, 10)
    with django_assert_num_queries(1):
        usual_of_devices(f"52:54:00:00:01:{number:02x}" for number in range(200))
    with django_assert_num_queries(0):
        assert usual_of_devices([]) == {}


@pytest.mark.parametrize(
    ("one", "like_it", "unlike_it"),
    [
        (
            {"manufacturer": "Dell Inc.", "product": "OptiPlex 7010"},
            {"manufacturer": "Dell Inc.", "product": "OptiPlex 7010", "memory": "8192"},
            {"manufacturer": "Dell Inc.", "product": "OptiPlex 7020"},
        ),
        (
            {"model": "Raspberry Pi 3 Model B Rev 1.2"},
            {"model": "Raspberry Pi 3 Model B"},
            {"model": "Raspberry Pi 3 Model B Plus Rev 1.3"},
        ),
    ],
)
def test_machines_of_one_model_are_compared(
    one: dict[str, str], like_it: dict[str, str], unlike_it: dict[str, str]
) -> None:
    device = machine(MAC, **one)
    machine(OTHER, **like_it)
    machine("52:54:00:00:00:03", **unlike_it)
    took(MAC, 10)
    took(OTHER, 20)
    took("52:54:00:00:00:03", 900)
    assert set(macs_of_model(device)) == {MAC, OTHER}
    usual = usual_of_model(device)
    assert usual is not None
    assert (usual.count, usual.median_seconds) == (2, 15)


def test_a_machine_that_told_no_model_is_like_no_other() -> None:
    device = machine(MAC, memory="8192")
    machine(OTHER, memory="8192")
    took(OTHER, 10)
    assert usual_of_model(device) is None
    assert model_of(device) == ""


def test_a_stage_lasts_until_the_next_and_a_transfer_begins_before_it_is_told() -> None:
    boot = took(MAC, 30)
    told = [("dhcp", "discover", 0.0), ("dhcp", "address", 1.0), ("tftp", "file", 3.0)]
    told += [("dhcp", "discover", 4.0), ("script", "script", 6.0), ("iscsi", "login", 10.0)]
    events(boot, *told, ("os", "takeover", 30.0), ("os", "online", 42.0))
    lasted = {stage: usual.median_seconds for stage, usual in stage_usuals([MAC]).items()}
    assert lasted == {"dhcp": 1, "tftp": 5, "script": 4, "iscsi": 20, "os": 12}


def test_a_transfer_begins_after_the_last_repetition_of_what_came_before_it() -> None:
    boot = took(MAC, 30)
    events(boot, ("dhcp", "discover", 0.0), ("tftp", "file", 9.0))
    last_at = (boot.started_at + timedelta(seconds=8)).isoformat()
    boot.events.filter(stage="dhcp").update(facts={"count": 3, "last_at": last_at})
    assert stage_usuals([MAC])["dhcp"].median_seconds == 8
