"""Every call of SPEC's REST table: its status, its fields, and who may make it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from images.models import Export
from tests.conftest import Api
from tests.contract_api.answers import complaint, differences
from tests.contract_api.conftest import MAC, SPARE, STRANGER, rows
from tests.contract_api.promises import BOOT, DEVICE, IMAGE, INSTALLER, KERNEL_SET, UNKNOWN

NEW_IMAGE = {
    "id": "new",
    "name": "New",
    "size_gb": 1,
    "device_type": "x64",
    "created_at": "2020-01-01T00:00:00Z",
}
NEW_DEVICE = {"mac": "5254.0000.0009", "device_type": "x86", "name": "new"}
KERNEL_BODY = {"kernel_url": "/k", "cmdline": "quiet"}
FILES = {"path": "p", "kernel": "k", "device_type": "x64"}
WHOLE = {"device_type": "x64", "name": "pc-1"}
# method, path, body, status, promised fields of the answer (of each row, where it is an array)
TABLE: list[tuple[str, str, Any, int, dict[str, Any]]] = [
    ("GET", "/api/v1/devices", None, 200, DEVICE),
    ("POST", "/api/v1/devices", NEW_DEVICE, 201, DEVICE),
    ("GET", f"/api/v1/devices/{MAC}", None, 200, DEVICE),
    ("PUT", f"/api/v1/devices/{MAC}", {**WHOLE, "image_id": "disk1"}, 200, DEVICE),
    ("PATCH", f"/api/v1/devices/{MAC}", {"name": "other"}, 200, DEVICE),
    ("DELETE", f"/api/v1/devices/{MAC}", None, 204, {}),
    ("GET", "/api/v1/images", None, 200, IMAGE),
    ("GET", "/api/v1/images/disk1", None, 200, IMAGE),
    ("POST", "/api/v1/images", NEW_IMAGE, 201, IMAGE),
    ("PUT", f"/api/v1/images/disk10/assign?mac={SPARE}", None, 200,
     {"status": str, "image_id": str, "mac": str}),
    ("PUT", "/api/v1/images/disk1/unassign", None, 200, {"status": str, "image_id": str}),
    ("DELETE", "/api/v1/images/disk10", None, 202, {}),
    ("POST", "/api/v1/images/disk10/resize", {"size_gb": 3}, 200, IMAGE),
    ("POST", "/api/v1/kernel-sets", {**KERNEL_BODY, "name": "new"}, 201, KERNEL_SET),
    ("GET", "/api/v1/kernel-sets/default", None, 200, KERNEL_SET),
    ("PUT", "/api/v1/kernel-sets/pi5", KERNEL_BODY, 200, KERNEL_SET),
    ("DELETE", "/api/v1/kernel-sets/pi5", None, 204, {}),
    ("GET", "/api/v1/os-installers", None, 200, INSTALLER),
    ("POST", "/api/v1/os-installers", {**FILES, "name": "new"}, 201, INSTALLER),
    ("GET", "/api/v1/os-installers/debian", None, 200, INSTALLER),
    ("PUT", "/api/v1/os-installers/debian", FILES, 200, INSTALLER),
    ("DELETE", "/api/v1/os-installers/debian", None, 204, {}),
    ("GET", "/api/v1/boots", None, 200, BOOT),
    ("GET", f"/api/v1/devices/{MAC}/boots", None, 200, BOOT),
    ("GET", "/api/v1/unknown-devices", None, 200, UNKNOWN),
    ("POST", f"/api/v1/unknown-devices/{STRANGER}/approve", {}, 200, DEVICE),
    ("DELETE", f"/api/v1/unknown-devices/{STRANGER}", None, 204, {}),
    ("GET", "/api/v1/storage", None, 200, {
        "committed_bytes": int, "overcommit_ratio": type(None), "short_of_room": bool, "orphans": list,
    }),
]  # fmt: skip
EACH = pytest.mark.parametrize(
    ("method", "path", "body", "status", "promise"), TABLE, ids=[f"{line[0]} {line[1]}" for line in TABLE]
)
LISTS = {"/api/v1/devices": 2, "/api/v1/images": 2, "/api/v1/os-installers": 1, "/api/v1/boots": 1,
         f"/api/v1/devices/{MAC}/boots": 1, "/api/v1/unknown-devices": 1, "/api/v1/storage": 1}  # fmt: skip


@EACH
def test_it_answers_with_its_status_and_every_promised_field(
    api: Api, house: Export, method: str, path: str, body: Any, status: int, promise: dict[str, Any]
) -> None:
    answer = api.call(method, path, body)
    assert answer.status_code == status, answer.content
    if status == 204:
        assert answer.content == b""
        return
    shown = answer.json()
    if method == "GET" and path in LISTS:
        assert (type(shown), len(shown)) == (list, LISTS[path])
    for row in shown if isinstance(shown, list) else [shown]:
        assert differences(row, promise) == {}


@EACH
def test_it_is_closed_to_strangers(
    house: Export, method: str, path: str, body: Any, status: int, promise: dict[str, Any]
) -> None:
    before = rows()
    answers = [Api("wrong").call(method, path, body), Client().generic(method, path)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (401, {"detail": "Unauthorized"})
    ] * 2
    assert rows() == before


@EACH
def test_who_may_only_read_reads_and_changes_nothing(
    house: Export, viewer: User, make_api: Callable[..., Api], method: str, path: str, body: Any, status: int,
    promise: dict[str, Any],
) -> None:  # fmt: skip
    before = rows()
    answer = make_api(viewer).call(method, path, body)
    if method == "GET":
        assert answer.status_code == status
    else:
        assert complaint(answer, 403) is None
    assert rows() == before


GONE = [
    (method, path.replace(MAC, "52:54:00:00:00:77").replace(STRANGER, "52:54:00:00:00:77")
     .replace("disk10", "disk100").replace("disk1/", "disk2/").replace("pi5", "pi6")
     .replace("/debian", "/none").replace(SPARE, MAC), body)
    for method, path, body, _, _ in TABLE
    if path.count("/") > 3 and "default" not in path and path != "/api/v1/images/disk1"
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), [*GONE, ("GET", "/api/v1/images/disk", None)])
def test_what_is_not_there_is_404(api: Api, house: Export, method: str, path: str, body: Any) -> None:
    before = rows()
    assert complaint(api.call(method, path, body), 404) is None
    assert rows() == before


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/health", f"/api/v1/boot/check-in?mac={MAC}"])
def test_what_is_promised_to_be_open_is_open(house: Export, path: str) -> None:
    assert Client().get(path).status_code in ({200, 503} if path == "/health" else {200})


def test_every_call_of_the_table_is_in_the_documentation(house: Export) -> None:
    documented = Client().get("/openapi.json").json()["paths"]
    patterns = [re.compile(re.sub(r"{\w+}", "[^/]+", path)) for path in documented]
    plain = {line[1].partition("?")[0] for line in TABLE}
    assert [path for path in plain if not any(known.fullmatch(path) for known in patterns)] == []
