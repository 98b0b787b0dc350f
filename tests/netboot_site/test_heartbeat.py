"""Services say that they live."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from netboot_site.heartbeat import beat, forget, tell_facts
from netboot_site.models import Heartbeat, HostFacts

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


def test_what_a_worker_sees_of_its_host_is_told_whole_and_replaced_whole() -> None:
    tell_facts("storage.local", {"fuse": True, "portals": ["10.66.0.1:3260"]})
    tell_facts("storage.local", {"fuse": False})
    row = HostFacts.objects.get()
    assert (row.name, row.observed_facts) == ("storage.local", {"fuse": False})
    assert timezone.now() - row.observed_at < timedelta(seconds=10)


def test_a_service_that_is_forgotten_leaves_no_facts_either() -> None:
    for name in ("storage.local", "storage.other"):
        beat(name)
        tell_facts(name, {})
    forget("storage.local")
    assert [row.name for row in HostFacts.objects.all()] == ["storage.other"]
    assert [row.name for row in Heartbeat.objects.all()] == ["storage.other"]
