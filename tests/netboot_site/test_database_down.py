"""PostgreSQL down: every page says so in a page of its own and carries on; no program is given a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import DataError, InterfaceError, OperationalError, connection
from django.test import Client
from django.urls import NoReverseMatch, reverse
from kombu.exceptions import OperationalError as BrokerError

from netboot_site import dashboard
from netboot_site.api_links import CALLS
from netboot_site.auth import create_token
from netboot_site.celery import NudgeTask

SECRET = "connection to server on socket /var/lib/secret failed"


@pytest.fixture
def client(operator: User) -> Client:
    """A browser that is given answers, and not our exceptions."""
    found = Client(raise_request_exception=False)
    found.force_login(operator)
    return found


@pytest.fixture(params=[OperationalError, InterfaceError])
def down(request: pytest.FixtureRequest, client: Client) -> Iterator[None]:
    """Everybody is signed in; then PostgreSQL goes away."""

    def refuse(execute: Callable[..., Any], *words: Any) -> Any:
        raise request.param(SECRET)

    with connection.execute_wrapper(refuse):
        yield


def pages() -> Iterator[str]:
    for name in CALLS:
        try:
            yield reverse(name)
        except NoReverseMatch:  # a page of one row
            continue


@pytest.mark.usefixtures("down")
class TestDown:
    """Nobody can be asked for a row, not even for the session."""

    @pytest.mark.parametrize("path", [*sorted(set(pages())), "/devices/52:54:00:00:00:01/", "/admin/"])
    def test_every_page_says_what_is_down_and_carries_on(self, client: Client, path: str) -> None:
        answer = client.get(path)
        page = answer.content.decode()
        assert answer.status_code == 503, path
        assert "The database does not answer" in page
        assert "carries on by itself" in page
        assert answer.headers["Refresh"] == answer.headers["Retry-After"] == "5"
        assert "/var/lib" not in page
        assert "Traceback" not in page

    def test_a_form_that_was_sent_is_not_sent_again_by_itself(self, client: Client) -> None:
        answer = client.post("/devices/new/", {"mac": "52:54:00:00:00:01"})
        assert answer.status_code == 503
        assert "Refresh" not in answer.headers
        assert "Nothing that you sent was half done" in answer.content.decode()

    def test_signing_in_says_so_too(self) -> None:
        stranger = Client(raise_request_exception=False)
        assert stranger.get("/login/").status_code == 200
        answer = stranger.post("/login/", {"username": "operator", "password": "correct horse"})
        assert answer.status_code == 503

    def test_the_live_part_of_a_page_is_told_in_a_sentence(self, client: Client) -> None:
        answer = client.get("/dashboard/live/?seen=x", headers={"HX-Request": "true"})
        assert answer.status_code == 503
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert answer.content.decode().startswith("The database (PostgreSQL) does not answer now")

    @pytest.mark.parametrize("path", ["/api/v1/devices", "/api/v1/dashboard", "/api/v1/network", "/metrics"])
    def test_programs_are_given_json(self, client: Client, path: str) -> None:
        answer = client.get(path)
        assert (answer.status_code, answer.headers["Content-Type"][:16]) == (503, "application/json")
        assert "does not answer now" in answer.json()["detail"]

    def test_a_token_cannot_be_looked_at(self) -> None:
        headers = {"Authorization": "Bearer x"}
        answer = Client(raise_request_exception=False).get("/api/v1/devices", headers=headers)
        assert answer.status_code == 503
        assert "detail" in answer.json()

    @pytest.mark.parametrize(
        "path", ["/boot/boot.ipxe", "/boot/script?mac=52:54:00:00:00:01", "/boot/nothing"]
    )
    def test_firmware_is_given_no_page(self, client: Client, path: str) -> None:
        assert client.get(path).headers["Content-Type"].startswith("text/plain")

    @pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/login/"])
    def test_what_needs_no_row_is_there(self, client: Client, path: str) -> None:
        assert Client().get(path).status_code == 200


def test_it_works_again_as_soon_as_it_is_back(client: Client, down: None) -> None:
    assert client.get("/").status_code == 503
    connection.execute_wrappers.clear()
    try:
        assert client.get("/").status_code == 200
    finally:
        connection.execute_wrappers.append(lambda execute, *words: execute(*words))


@pytest.mark.parametrize("error", [DataError, ZeroDivisionError])
def test_any_other_error_is_what_it_was(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail() -> None:
        raise error("of our own")

    monkeypatch.setattr(dashboard, "gather", fail)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something went wrong here" in answer.content.decode()


def test_a_database_that_is_far_away_and_silent_is_given_up_soon() -> None:
    options = settings.DATABASES["default"]["OPTIONS"]
    assert options["connect_timeout"] <= 3
    assert options["tcp_user_timeout"] <= 5000


@pytest.mark.django_db(transaction=True)
def test_a_change_is_kept_while_redis_is_down(
    operator: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*words: Any, **options: Any) -> None:
        raise BrokerError("Connection refused")

    monkeypatch.setattr(NudgeTask, "apply_async", lose)
    settings.REDIS_URL = "unix:///nowhere/redis.sock?db=0"
    client = Client()
    client.force_login(operator)
    page = client.get("/devices/").content.decode()
    assert "<strong>redis is down.</strong>" in page
    assert "What is changed now is kept, and takes effect when it is back." in page
    answer = client.post("/devices/new/", {"mac": "52:54:00:00:00:01", "name": "pc", "device_type": "x64"})
    assert answer.status_code == 302
    _, token = create_token(user=operator, name="t", scope="full")
    found = client.get("/api/v1/devices", headers={"Authorization": f"Bearer {token}"}).json()
    assert [device["name"] for device in found] == ["pc"]
