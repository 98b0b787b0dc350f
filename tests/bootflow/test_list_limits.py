"""Lists of unknown devices and of boots: without a limit they show the newest, with one that many."""

from __future__ import annotations

import pytest
from django.utils import timezone

from bootflow.models import Boot, Stage
from devices.models import Device, DeviceState
from tests.conftest import Api

MACS = [f"52:54:00:00:01:{number:02x}" for number in range(3)]


@pytest.fixture
def discovered(db: None) -> None:
    for mac in MACS:
        Device.objects.create(mac=mac, device_type="x64", state=DeviceState.DISCOVERED)
        Boot.objects.create(
            mac=mac, started_at=timezone.now(), last_event_at=timezone.now(), stage=Stage.DHCP
        )


@pytest.mark.parametrize("path", ["/api/v1/unknown-devices", "/api/v1/boots"])
def test_a_list_needs_no_limit(api: Api, discovered: None, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 200, answer.content
    assert sorted(row["mac"] for row in answer.json()) == MACS  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["/api/v1/unknown-devices", "/api/v1/boots"])
def test_a_limit_is_kept_and_a_wrong_one_refused(api: Api, discovered: None, path: str) -> None:
    assert len(api.get(f"{path}?limit=2").json()) == 2  # type: ignore[attr-defined]
    assert api.get(f"{path}?limit=-1").status_code == 422
    assert api.get(f"{path}?limit=many").status_code == 422
