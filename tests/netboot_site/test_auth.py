"""Who may call the REST API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from netboot_site.auth import create_token, token_digest
from netboot_site.models import ApiToken
from tests.conftest import Api

DEVICES = "/api/v1/groups"
pytestmark = pytest.mark.django_db


def test_without_a_token_nothing_is_told() -> None:
    answer = Client().get(DEVICES)
    assert answer.status_code == 401
    assert answer["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("token", ["", "wrong", "x" * 10_000, "é", "a b"])
def test_a_wrong_token_is_refused(token: str) -> None:
    assert Client().get(DEVICES, headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_only_the_digest_of_a_token_is_kept(operator: User) -> None:
    row, text = create_token(user=operator, name="ci", scope="full")
    assert row.digest == token_digest(text)
    assert text not in [str(value) for value in ApiToken.objects.values_list().get()]


def test_a_read_only_token_reads_and_changes_nothing(operator: User, make_api: Callable[..., Api]) -> None:
    api = make_api(operator, scope="read")
    assert api.get(DEVICES).status_code == 200
    refused = api.post(DEVICES, {"name": "lab 1"})
    assert refused.status_code == 403
    assert refused.json() == {"detail": "This account or token may only read."}


def test_a_viewers_full_token_may_still_only_read(viewer: User, make_api: Callable[..., Api]) -> None:
    api = make_api(viewer)
    assert api.get(DEVICES).status_code == 200
    assert api.post(DEVICES, {"name": "lab 1"}).status_code == 403


def test_a_revoked_token_is_refused_at_once(operator: User, make_api: Callable[..., Api]) -> None:
    api = make_api(operator)
    ApiToken.objects.update(revoked_at=timezone.now())
    assert api.get(DEVICES).status_code == 401


def test_the_token_of_a_person_who_left_is_refused(operator: User, make_api: Callable[..., Api]) -> None:
    api = make_api(operator)
    User.objects.update(is_active=False)
    assert api.get(DEVICES).status_code == 401


def test_the_time_of_last_use_is_noted_at_most_once_a_minute(
    operator: User, make_api: Callable[..., Api]
) -> None:
    api = make_api(operator)
    api.get(DEVICES)
    first = ApiToken.objects.get().last_used_at
    api.get(DEVICES)
    assert first is not None
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=2))
    api.get(DEVICES)
    assert ApiToken.objects.get().last_used_at > first


def test_a_session_reads_and_an_operators_session_writes(operator: User) -> None:
    browser = Client()
    browser.force_login(operator)
    assert browser.get(DEVICES).status_code == 200
    answer = browser.post(DEVICES, {"name": "lab 1"}, content_type="application/json")
    assert answer.status_code == 201, answer.content


def test_a_viewers_session_changes_nothing(viewer: User) -> None:
    browser = Client()
    browser.force_login(viewer)
    assert browser.get(DEVICES).status_code == 200
    assert browser.post(DEVICES, {"name": "lab 1"}, content_type="application/json").status_code == 403


def test_another_sites_form_cannot_write_in_a_persons_name(operator: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator)
    answer = browser.post(DEVICES, {"name": "lab 1"}, content_type="application/json")
    assert answer.status_code == 403
