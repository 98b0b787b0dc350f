"""Bodies that are too large, too deep or no JSON at all: a 4xx, and never a 5xx."""

from __future__ import annotations

import pytest
from django.test import Client

from devices.models import Device
from tests.conftest import Api

BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "null": b"null",
    "a number": b"1e30",
    "bytes": b"\xff\xfe\x00",
    "not a number": b'{"mac": NaN, "name": Infinity, "device_type": "x64"}',
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "a huge integer": b'{"mac": ' + b"9" * 10_000 + b"}",
    "large": b'{"mac": "' + b"x" * (2 * 1024 * 1024) + b'"}',
    "half a surrogate": b'{"mac": "525400000001", "name": "\\ud800", "device_type": "x64"}',
}
PATHS = ["/api/v1/devices", "/api/v1/kernel-sets", "/api/v1/os-installers", "/api/v1/groups"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_cannot_be_read_is_refused(api: Api, path: str, name: str) -> None:
    client = Client(raise_request_exception=False)
    answer = client.post(
        path, BODIES[name], content_type="application/json", headers={"Authorization": f"Bearer {api.token}"}
    )
    assert 400 <= answer.status_code < 500, answer.content[:200]
    assert answer["Content-Type"].startswith("application/json")
    assert "detail" in answer.json()
    assert not Device.objects.exists()
