"""What the recorder costs when many machines boot at once."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from bootflow.models import Boot, BootEvent
from bootflow.recorder import sweep
from tests.bootflow.recorder.lines import START, pc_boot, write
from tests.bootflow.recorder.test_recorder import mixed, read_all, recorder

pytestmark = pytest.mark.django_db


def test_two_hundred_machines_at_once_are_recorded_within_seconds(tmp_path: Path) -> None:
    macs = [f"52:54:00:00:03:{i:02x}" for i in range(200)]
    boots = [pc_boot(START + i / 100, mac, f"10.66.0.{i + 10}") for i, mac in enumerate(macs)]
    write(tmp_path / "dnsmasq.log", mixed(boots))
    began = time.monotonic()
    read_all(recorder(tmp_path))
    spent = time.monotonic() - began
    assert BootEvent.objects.count() == 1000
    assert spent < 20, f"{spent:.1f} s for 1,000 events"


def test_a_round_over_a_thousand_waiting_machines_is_short() -> None:
    at = timezone.now() - timedelta(seconds=5)
    boots = Boot.objects.bulk_create(
        Boot(mac=f"52:54:00:01:{i // 256:02x}:{i % 256:02x}", started_at=at, last_event_at=at, stage="script")
        for i in range(1000)
    )
    plan = {"plan": {"state": "discovered"}}
    BootEvent.objects.bulk_create(
        BootEvent(boot=boot, at=at, stage="script", kind="script", facts=plan) for boot in boots
    )
    sweep.judge_open_boots()
    began = time.monotonic()
    sweep.judge_open_boots()
    spent = time.monotonic() - began
    assert spent < 2, f"{spent:.2f} s"
