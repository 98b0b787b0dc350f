"""`make up` for real: what it prints, what it leaves, what it survives."""

from __future__ import annotations

import re

import pytest

from tests.system.instance import Instance

pytestmark = pytest.mark.slow


def test_it_prints_address_and_password_and_is_healthy(orchestrator: Instance) -> None:
    assert f"http://{orchestrator.address}:8000/" in orchestrator.output
    assert re.search(r"password: \S{16}\n", orchestrator.output), orchestrator.output
    assert orchestrator.health()["status"] == "healthy"


def test_the_token_of_the_environment_opens_the_api(orchestrator: Instance) -> None:
    answer = orchestrator.api("GET", "/api/v1/storage")
    assert answer.status in (200, 404), answer.text  # 404: the route is another room's, and may come later
    refused = orchestrator.http("GET", "/metrics")
    assert refused.status == 401, refused.text
    assert orchestrator.api("GET", "/metrics").status == 200


def test_the_boot_port_carries_boot_endpoints_alone(orchestrator: Instance) -> None:
    for path in ("/", "/admin/", "/api/v1/devices", "/health", "/static/admin/css/base.css"):
        answer = orchestrator.http("GET", path, port=8080)
        assert answer.status == 404, f"{path}: {answer.status}"
        assert "html" not in answer.headers["content-type"], path
    assert orchestrator.http("GET", "/boot/boot.ipxe", port=8080).text.startswith("#!ipxe")
