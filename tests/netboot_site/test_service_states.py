"""Services by their state in words, and what machines notice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from images.models import StorageNode
from images.space import node_spaces
from netboot_site import service_states as states
from netboot_site.heartbeat import beat
from netboot_site.models import Heartbeat
from netboot_site.service_states import Service, outages, service_states

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def processes(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = {"boot": "healthy", "dnsmasq": "healthy"}
    monkeypatch.setattr(states, "check_processes", lambda: found)
    return found


def make_node(name: str, **fields: Any) -> StorageNode:
    now = {"observed_at": timezone.now(), "observed_target_server": "ready"} | fields
    return StorageNode.objects.create(name=name, portal_address="10.0.0.9", **now)


def look(name: str, node: str = "") -> Service:
    found = [one for one in service_states(node_spaces()) if (one.name, one.node) == (name, node)]
    assert len(found) == 1, f"{name} has {len(found)} rows"
    return found[0]


def test_all_at_work_is_told_in_one_word_each() -> None:
    make_node("local")
    for name in ("control", "recorder", "storage.local", "storage.local.jobs"):
        beat(name)
    found = service_states(node_spaces())
    assert {one.word for one in found} == {"At work"}, found
    assert [one.name for one in found] == [
        "postgresql", "boot", "dnsmasq", "redis", "worker-control", "recorder",
        "tgtd", "worker-storage", "worker-jobs",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("silence", "trouble", "state", "told"),
    [
        (1, "", "up", ""),
        (1, "dnsmasq refuses it", "troubled", "dnsmasq refuses it"),
        (40, "", "down", "silent for half a minute. Its log tells why. Machines boot as before"),
        (300, "", "down", "silent for 5 min"),
    ],
)
def test_a_worker_that_fell_silent_or_is_troubled_is_told(
    silence: int, trouble: str, state: str, told: str
) -> None:
    beat_at = timezone.now() - timedelta(seconds=silence)
    Heartbeat.objects.create(name="control", beat_at=beat_at, last_error=trouble)
    found = look("worker-control")
    assert (found.state, told in found.trouble) == (state, True), found


def test_a_worker_that_never_came_is_not_called_down() -> None:
    assert look("recorder").word == "Not seen yet"


@pytest.mark.parametrize(
    ("fields", "state", "told"),
    [
        ({}, "up", ""),
        ({"observed_target_server": "down"}, "down", "carry on when it is back"),
        ({"observed_target_server": "offline", "last_error": "Port 3260 is taken."}, "down", "3260 is taken"),
        ({"observed_at": None}, "unknown", ""),
        ({"observed_at": timezone.now() - timedelta(minutes=2)}, "unknown", "has not looked"),
    ],
)
def test_a_target_server_names_its_node_and_what_machines_notice(
    fields: dict[str, Any], state: str, told: str
) -> None:
    make_node("attic", **fields)
    found = look("tgtd", "attic")
    assert (found.state, told in found.trouble) == (state, True), found


def test_a_process_that_is_down_says_so(processes: dict[str, str]) -> None:
    processes["dnsmasq"] = "does not run"
    found = look("dnsmasq")
    assert found.state == "down"
    assert found.trouble.startswith("It does not run. Machines that run notice nothing")


def test_without_redis_changes_are_said_to_take_effect_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "check_redis", lambda seconds: {"redis": "does not answer"})
    assert "takes effect when it is back" in look("redis").trouble


def test_what_was_not_started_here_has_no_row(settings: Any) -> None:
    settings.EXPECTED_SERVICES = ["recorder"]
    make_node("local")
    make_node("attic")
    names = [(one.name, one.node) for one in service_states(node_spaces())]
    assert ("worker-control", "") not in names
    assert ("tgtd", "local") not in names
    assert ("tgtd", "attic") in names


def test_other_pages_tell_what_is_down_of_what_a_change_needs(operator_client: Client) -> None:
    make_node("attic", observed_target_server="down")
    make_node("cellar", observed_at=timezone.now() - timedelta(minutes=3))
    make_node("new", observed_at=None)
    found = outages(node_spaces())
    assert [(one.name, one.node) for one in found] == [("tgtd", "attic"), ("worker-storage", "cellar")]
    page = operator_client.get("/images/").content.decode()
    assert "<strong>tgtd on attic is down.</strong> It does not answer. Machines that use its disks" in page
    assert "<strong>worker-storage on cellar is down.</strong> It has been silent for 3 min." in page


def test_the_dashboard_tells_each_once(operator_client: Client) -> None:
    make_node("attic", observed_target_server="down")
    page = operator_client.get("/").content.decode()
    assert page.count("<strong>tgtd on attic is down.</strong>") == 1


def test_where_all_is_at_work_no_page_says_anything(operator_client: Client) -> None:
    make_node("attic")
    assert "is down.</strong>" not in operator_client.get("/images/").content.decode()
