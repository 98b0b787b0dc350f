"""The WSGI entry: a refused upload is answered when the proxy listens."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest

from netboot_site import wsgi


def answer(monkeypatch: pytest.MonkeyPatch, status: str, length: str) -> float:
    """How long the entry takes over an answer of that status to a body of that length."""

    def site(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(status, [])
        return [b"said"]

    monkeypatch.setattr(wsgi, "site", site)
    statuses: list[str] = []
    begun = time.monotonic()
    environ = {"REQUEST_METHOD": "PUT", "CONTENT_LENGTH": length, "wsgi.input": io.BytesIO()}
    body = wsgi.application(environ, lambda given, headers: statuses.append(given))
    assert (list(body), statuses) == ([b"said"], [status])
    return time.monotonic() - begun


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found", "409 Conflict", "422 Unprocessable"])
def test_a_refused_large_body_is_answered_after_a_moment(
    monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    assert answer(monkeypatch, status, str(10**9)) >= wsgi.REFUSAL_PAUSE_SECONDS


@pytest.mark.parametrize(
    ("status", "length"),
    [("202 Accepted", str(10**9)), ("404 Not Found", "100"), ("404 Not Found", ""), ("422 X", "many")],
)
def test_everything_else_is_answered_at_once(
    monkeypatch: pytest.MonkeyPatch, status: str, length: str
) -> None:
    assert answer(monkeypatch, status, length) < wsgi.REFUSAL_PAUSE_SECONDS
