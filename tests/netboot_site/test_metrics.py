"""Figures for Prometheus."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from bootflow.models import Boot
from devices.models import Device
from images.models import StorageNode
from netboot_site.formats import GIB
from netboot_site.heartbeat import beat
from tests.conftest import Api

pytestmark = pytest.mark.django_db


Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def _figures(api: Api) -> Figures:
    answer = api.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.content.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def test_figures_are_not_for_everybody() -> None:
    assert Client().get("/metrics").status_code == 401


def test_nothing_yet_is_no_error(api: Api) -> None:
    figures = _figures(api)
    assert figures["netboot_boots_in_progress", ()] == 0
    assert figures["netboot_iscsi_sessions", ()] == 0


def test_devices_boots_and_heartbeats_are_counted(api: Api) -> None:
    Device.objects.create(mac="52:54:00:00:00:01", device_type="x64", state="discovered")
    Device.objects.create(mac="52:54:00:00:00:02", device_type="x64", state="enrolled", name="a")
    now = timezone.now()
    Boot.objects.create(mac="52:54:00:00:00:02", started_at=now, last_event_at=now, stage="dhcp")
    Boot.objects.create(
        mac="52:54:00:00:00:02", started_at=now, last_event_at=now, finished_at=now, stage="os", outcome="ok"
    )
    beat("recorder")
    figures = _figures(api)
    assert figures["netboot_devices", (("state", "discovered"),)] == 1
    assert figures["netboot_devices", (("state", "enrolled"),)] == 1
    assert figures["netboot_boots_in_progress", ()] == 1
    assert figures["netboot_boots_kept", (("outcome", "ok"),)] == 1
    assert 0 <= figures["netboot_heartbeat_age_seconds", (("service", "recorder"),)] < 60


def test_the_room_of_each_storage_node_is_told(api: Api) -> None:
    StorageNode.objects.create(name="first", observed_free_bytes=5 * GIB, observed_reserve_bytes=GIB)
    StorageNode.objects.create(name="second", observed_free_bytes=GIB // 2, observed_reserve_bytes=GIB)
    figures = _figures(api)
    assert figures["netboot_storage_free_bytes", (("node", "first"),)] == 5 * GIB
    assert figures["netboot_storage_short_of_room", (("node", "first"),)] == 0
    assert figures["netboot_storage_short_of_room", (("node", "second"),)] == 1
    assert figures["netboot_storage_committed_bytes", (("node", "second"),)] == 0


def test_the_number_of_queries_does_not_grow_with_devices(
    api: Api, django_assert_max_num_queries: object
) -> None:
    for number in range(30):
        Device.objects.create(mac=f"52:54:00:00:01:{number:02x}", device_type="x64", name=f"pc {number}")
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        _figures(api)
