"""GET /health: good news, bad news by name, and an answer in time whatever hangs."""

from __future__ import annotations

import os
import socket
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from images.models import StorageNode
from netboot_site import health
from netboot_site.formats import GIB
from netboot_site.heartbeat import beat
from netboot_site.models import Heartbeat

pytestmark = pytest.mark.django_db(transaction=True)  # each check looks through a connection of its own


@pytest.fixture(autouse=True)
def services(settings: Any, tmp_path: Path) -> None:
    """A database with every service at work, and no process that is asked directly."""
    settings.EXPECTED_SERVICES = ["worker-control", "worker-storage", "worker-jobs", "recorder", "tgtd"]
    settings.RUN_PATH = settings.DNSMASQ_PATH = tmp_path
    node = f"storage.{settings.STORAGE_NODE}"
    for name in ("control", node, f"{node}.jobs", "recorder"):
        beat(name)
    StorageNode.objects.create(
        name=settings.STORAGE_NODE, observed_at=timezone.now(), observed_target_server="ready"
    )


def ask() -> tuple[int, dict[str, Any]]:
    answer = Client().get("/health")
    return answer.status_code, answer.json()


def test_all_at_work_is_healthy_and_needs_no_token() -> None:
    status, body = ask()
    assert (status, body["status"]) == (200, "healthy"), body
    assert set(body["services"]) == {
        "database", "redis", "worker-control", "worker-storage", "worker-jobs", "recorder", "tgtd",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("heartbeat", "service"),
    [("control", "worker-control"), ("storage.local", "worker-storage"),
     ("storage.local.jobs", "worker-jobs"), ("recorder", "recorder")],
)  # fmt: skip
def test_a_service_that_has_gone_quiet_is_named(heartbeat: str, service: str) -> None:
    Heartbeat.objects.filter(name=heartbeat).update(beat_at=timezone.now() - timedelta(seconds=31))
    status, body = ask()
    assert status == 503
    assert body["status"] == f"unhealthy: {service}"
    assert body["services"][service] == "not seen at work for 31 s"


def test_a_service_that_never_came_is_named() -> None:
    Heartbeat.objects.filter(name="recorder").delete()
    assert ask()[1]["services"]["recorder"] == "not seen at work yet"


@pytest.mark.parametrize(
    ("state", "age", "told"),
    [("down", 0, "down"), ("offline", 0, "offline"), ("", 0, "not seen yet"),
     ("ready", 40, "not seen for a while")],
)  # fmt: skip
def test_a_target_server_that_is_not_ready_is_told(state: str, age: int, told: str) -> None:
    StorageNode.objects.update(
        observed_target_server=state, observed_at=timezone.now() - timedelta(seconds=age)
    )
    status, body = ask()
    assert status == 503
    assert body["services"]["tgtd"] == told


def test_another_storage_node_whose_worker_is_silent_is_named() -> None:
    StorageNode.objects.create(name="second", observed_at=timezone.now(), observed_target_server="ready")
    assert ask()[1]["services"]["storage node second"] == "worker not seen at work yet"
    beat("storage.second")
    assert ask()[0] == 200
    Heartbeat.objects.filter(name="storage.second").update(beat_at=timezone.now() - timedelta(seconds=40))
    status, body = ask()
    assert (status, body["status"]) == (503, "unhealthy: storage node second")
    assert body["services"]["storage node second"] == "worker not seen at work for 40 s"


def test_another_storage_nodes_target_server_is_told() -> None:
    beat("storage.second")
    StorageNode.objects.create(name="second", observed_at=timezone.now(), observed_target_server="down")
    assert ask()[1]["services"]["storage node second"] == "down"


def test_a_node_that_is_short_of_room_is_a_warning_and_healthy() -> None:
    assert ask()[1]["warnings"] == []
    StorageNode.objects.update(observed_free_bytes=GIB // 2, observed_reserve_bytes=GIB)
    status, body = ask()
    assert (status, body["status"]) == (200, "healthy")
    (warning,) = body["warnings"]
    assert warning.startswith("The storage node local is short of room: 0.50 GiB are left"), warning


def test_missing_packages_for_raspberry_pis_are_a_warning_where_machines_are_booted(
    settings: Any, tmp_path: Path
) -> None:
    settings.PI_PACKAGES_PATH = tmp_path / "arm64"
    assert ask()[1]["warnings"] == [], "this host boots no machine"
    settings.EXPECTED_SERVICES = [*settings.EXPECTED_SERVICES, "dnsmasq"]
    (warning,) = ask()[1]["warnings"]
    assert "raspi-firmware" in warning
    assert "make setup" in warning
    assert str(tmp_path) not in warning


def test_redis_down_is_told_in_time(settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock?db=0"
    status, body = ask()
    assert status == 503
    assert body["services"]["redis"] == "does not answer"
    assert body["services"]["database"] == "healthy"


def test_a_redis_that_hangs_does_not_hang_the_answer(settings: Any, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen(8)
        settings.REDIS_URL = f"unix://{tmp_path / 's'}?db=0"
        began = time.monotonic()
        status, body = ask()
    assert time.monotonic() - began < 2
    assert status == 503
    assert body["services"]["redis"] != "healthy"


def test_a_database_that_hangs_does_not_hang_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(health.CHECKS, "database", lambda: time.sleep(3) or {})
    began = time.monotonic()
    status, body = ask()
    assert time.monotonic() - began < 2
    assert status == 503
    assert body["services"]["database"] == "gives no answer within 1.5 s"


def test_another_http_process_that_is_away_is_told(settings: Any, tmp_path: Path) -> None:
    settings.EXPECTED_SERVICES = ["boot", "storage-http"]
    (tmp_path / "boot").mkdir()
    with socket.socket(socket.AF_UNIX) as boot:
        boot.bind(str(tmp_path / "boot" / "boot.sock"))
        boot.listen(1)
        services = ask()[1]["services"]
    assert services["boot"] == "healthy"
    assert services["storage-http"] == "does not answer"


@pytest.mark.parametrize("note", ["", "no number", "999999999", "our own"])
def test_a_dnsmasq_that_does_not_run_is_told(settings: Any, tmp_path: Path, note: str) -> None:
    settings.EXPECTED_SERVICES = ["dnsmasq"]
    (tmp_path / "dnsmasq.pid").write_text(str(os.getpid()) if note == "our own" else note)
    assert ask()[1]["services"]["dnsmasq"] == "does not run"


def test_what_was_not_started_is_not_missed(settings: Any) -> None:
    settings.EXPECTED_SERVICES = []
    Heartbeat.objects.all().delete()
    assert ask()[1]["services"] == {"database": "healthy", "redis": "healthy"}
