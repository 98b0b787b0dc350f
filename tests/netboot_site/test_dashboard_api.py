"""GET /api/v1/dashboard: the figures that the page shows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from bootflow.figures import device_figures
from bootflow.models import Boot, Installer
from bootflow.overview import DeviceFilter, search_devices
from devices.models import Device, DeviceState
from images.models import Image, Session
from images.space import node_spaces
from netboot_site.formats import GIB
from tests.browser.believable import boot_of, fill, mac_of
from tests.conftest import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def answer() -> dict[str, Any]:
    fill()
    client = Client()
    client.force_login(User.objects.get(username="viewer"))
    found = client.get("/api/v1/dashboard")
    assert found.status_code == 200, found.content
    return dict(found.json())


def test_it_counts_what_there_is(answer: dict[str, Any]) -> None:
    told = answer["devices"]
    for state in DeviceState.values:
        assert told[state] == Device.objects.filter(state=state, ignored_at=None).count(), state
    assert told["known"] == told["enrolled"] + told["disabled"]
    assert (told["booting"], told["disks_in_use"]) == (Boot.objects.filter(finished_at=None).count(), 5)
    assert answer["images"] == {"count": Image.objects.count(), "importing": 1, "failed": 1}
    assert answer["installers"] == Installer.objects.count()
    storage = answer["storage"]
    assert (storage["capacity_bytes"], storage["used_bytes"]) == (930 * GIB, 212 * GIB)
    assert storage["committed_bytes"] == sum(space.committed_bytes for space in node_spaces()) > 0


def test_boots_in_progress_are_set_against_what_is_usual(answer: dict[str, Any]) -> None:
    by_name = {boot["name"]: boot for boot in answer["running"]}
    late = by_name["lab1-04"]
    assert (late["overdue"], late["stage"]) == (True, "iscsi")
    assert 30 < late["usual_seconds"] <= late["p95_seconds"] < late["elapsed_seconds"]
    assert by_name["render-node-a"]["overdue"] is False
    assert by_name["signage-canteen"]["usual_seconds"] is None


def test_the_last_failures_come_with_their_reasons(answer: dict[str, Any]) -> None:
    newest = answer["failures"][0]
    boot = Boot.objects.get(pk=newest["id"])
    assert newest["reason"] == boot.reason
    assert [one["started_at"] for one in answer["failures"]] == sorted(
        (one["started_at"] for one in answer["failures"]), reverse=True
    )


def test_every_service_has_a_state(answer: dict[str, Any]) -> None:
    states = {(one["name"], one["node"]): one["state"] for one in answer["services"]}
    assert states["tgtd", "local"] == "up"
    assert states["postgresql", ""] == "up"
    assert states["boot", ""] == "down", "nothing listens in a test"


def test_strangers_are_refused() -> None:
    assert Client().get("/api/v1/dashboard").status_code == 401


def test_of_an_empty_house_everything_is_nought(api: Api) -> None:
    found = api.get("/api/v1/dashboard").json()
    assert set(found["devices"].values()) == {0}
    assert (found["running"], found["failures"], found["installers"]) == ([], [], 0)


def _session(mac: str, ended: bool = False) -> None:
    now = timezone.now()
    Session.objects.create(
        iqn=f"iqn.x:{mac}", handle="1", started_at=now, ended_at=now if ended else None,
        initiator_name=f"iqn.2026-02.local.netboot:device.{mac.replace(':', '')}",
    )  # fmt: skip


def test_a_device_is_active_for_its_disk_its_boot_or_its_asking_once_each() -> None:
    long_ago = timezone.now() - timedelta(days=1)
    for number, seen in enumerate([long_ago, long_ago, timezone.now(), long_ago, None, timezone.now()]):
        Device.objects.create(mac=mac_of(number), device_type="x64", last_seen_at=seen)
    _session(mac_of(0))
    boot_of(mac_of(1), timezone.now(), upto=4.2)
    _session(mac_of(2))
    _session(mac_of(3), ended=True)
    Device.objects.filter(mac=mac_of(5)).update(state=DeviceState.DISCOVERED)
    found = device_figures()
    assert (found.active, found.disks_in_use, found.booting) == (3, 2, 1)
    listed = [device.mac for device in search_devices(DeviceFilter(state="active"))]
    assert sorted(listed) == [mac_of(0), mac_of(1), mac_of(2)], "the link's list shows others"
