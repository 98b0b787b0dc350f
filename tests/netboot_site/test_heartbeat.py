"""Services say that they live."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from netboot_site.heartbeat import beat
from netboot_site.models import Heartbeat

pytestmark = pytest.mark.django_db


def test_each_beat_moves_the_services_own_row() -> None:
    for name in ("control", "storage.local"):
        beat(name)
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(hours=1))
    beat("control")
    ages = {row.name: timezone.now() - row.beat_at for row in Heartbeat.objects.all()}
    assert ages["control"] < timedelta(seconds=10)
    assert ages["storage.local"] > timedelta(minutes=59)


def test_what_troubled_a_round_is_gone_after_a_good_one() -> None:
    beat("control", last_error="dnsmasq refuses its configuration")
    assert Heartbeat.objects.get(name="control").last_error == "dnsmasq refuses its configuration"
    beat("control")
    assert Heartbeat.objects.get(name="control").last_error == ""
