"""Callers without token and session."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_stranger_is_told_to_sign_in_whatever_he_wants(method: str) -> None:
    path = "/api/v1/images/x" if method == "DELETE" else "/api/v1/images"
    answer = Client(enforce_csrf_checks=True).generic(method, path)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Unauthorized"})


def test_a_session_without_its_csrf_token_changes_nothing(operator: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator)
    assert browser.get("/api/v1/images").status_code == 200
    assert browser.post("/api/v1/images", {}).status_code == 403
