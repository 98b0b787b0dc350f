"""PostgreSQL restarted or away: machines wait and ask again; Redis is never needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import OperationalError
from django.test import Client

from bootflow import checkin
from bootflow.models import BootEvent
from devices.models import Device
from tests.bootflow.conftest import MAC

PATHS = [f"/boot/script?retry=4&mac={MAC}", f"/boot/report?mac={MAC}&event=local", f"/boot/online?mac={MAC}"]


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    def fail_first(count: int, error: type[Exception]) -> list[str]:
        tried: list[str] = []
        run = checkin.execute

        def execute(statement: str, values: dict[str, Any]) -> Any:
            tried.append(statement)
            if len(tried) <= count:
                raise error("the server closed the connection in /var/lib/secret")
            return run(statement, values)

        monkeypatch.setattr(checkin, "execute", execute)
        return tried

    return fail_first


ERRORS = [psycopg.OperationalError, psycopg.InterfaceError, OperationalError]


@pytest.mark.parametrize("error", ERRORS)
def test_a_connection_that_was_cut_is_tried_once_more(
    fail: Callable[..., list[str]], fetch: Callable[..., str], device: Device, error: type[Exception]
) -> None:
    fail(1, error)
    assert "No disk is assigned" in fetch(PATHS[0])
    assert BootEvent.objects.count() == 1


@pytest.mark.parametrize("error", ERRORS)
def test_while_the_database_is_away_a_machine_waits_and_asks_again(
    fail: Callable[..., list[str]], fetch: Callable[..., str], device: Device, error: type[Exception]
) -> None:
    tried = fail(99, error)
    script = fetch(PATHS[0])
    assert "The orchestrator's database does not answer. Asking again." in script
    assert "script?retry=5&${query}" in script
    assert "/var/lib" not in script
    assert len(tried) == 2


@pytest.mark.parametrize("path", PATHS)
def test_every_script_endpoint_answers_all_the_same(
    fail: Callable[..., list[str]], fetch: Callable[..., str], device: Device, path: str
) -> None:
    fail(99, psycopg.OperationalError)
    assert fetch(path).startswith("#!ipxe\n")


def test_a_check_in_is_answered_too(fail: Callable[..., list[str]], device: Device) -> None:
    fail(99, psycopg.OperationalError)
    answer = Client().get("/api/v1/boot/check-in", {"mac": MAC, "device_type": "x64"})
    assert answer.status_code == 200
    assert answer.json() == {
        "action": "show_menu",
        "device_type": "x64",
        "message": "The database does not answer now; ask again in a moment.",
    }


def test_the_first_script_needs_no_database(fetch: Callable[..., str]) -> None:
    assert "http://10.66.0.1:8080/boot/script?retry=0&${query}" in fetch("/boot/boot.ipxe")


def test_a_boot_needs_no_redis(
    fetch: Callable[..., str], device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redis.Connection.connect", lambda self: pytest.fail("Redis was asked"))
    monkeypatch.setattr(
        "redis.UnixDomainSocketConnection.connect", lambda self: pytest.fail("Redis was asked")
    )
    for path in PATHS:
        fetch(path)
