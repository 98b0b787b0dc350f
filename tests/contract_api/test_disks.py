"""Versions, channels, clones and the disks of devices: SPEC's rows and those that came with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from bootflow.services import register_profile
from devices.services import get_device
from images import lineage, services
from images.models import Channel, Export, Image, Layer, Version
from netboot_site.formats import GIB
from tests.conftest import Api
from tests.contract_api.answers import ask, complaint, differences
from tests.contract_api.conftest import log_in, rows
from tests.contract_api.promises import IMAGE, TIME_OR_NULL
from tests.images.rows import publish, settle, write

LAB, PLAYER, OTHER = "lab", "52:54:00:00:00:03", "52:54:00:00:00:04"
IMAGES, DISK = f"/api/v1/images/{LAB}", f"/api/v1/devices/{PLAYER}/disk"
VERSION: dict[str, Any] = {
    "number": int, "comment": str, "created_at": "time", "created_by": str, "size_bytes": int,
    "sha256": (str, None), "state": str, "verified_at": TIME_OR_NULL, "last_error": str, "channels": list,
}  # fmt: skip
DISK_OUT: dict[str, Any] = {
    "mac": str, "image_id": str, "mode": str, "persistence": str, "follows": str, "version": (int, None),
    "size_bytes": int, "used_bytes": (int, None), "fill": (float, int, None), "state": str, "stale": bool,
    "last_error": str, "kept": list,
}  # fmt: skip
WITH_DISKS = {**IMAGE, "channels": dict, "contents": dict, "exports": list, "node": str, "jobs": list}
ASSIGNED = {"status": str, "image_id": str, "mac": str}
TABLE: list[tuple[str, str, Any, int, dict[str, Any]]] = [
    ("GET", IMAGES, None, 200, WITH_DISKS),
    ("GET", f"{IMAGES}/versions", None, 200, VERSION),
    ("POST", f"{IMAGES}/versions", {"comment": "new"}, 201, VERSION),
    ("DELETE", f"{IMAGES}/versions/2", None, 204, {}),
    ("POST", f"{IMAGES}/rollback", {"version": 1}, 200, WITH_DISKS),
    ("POST", f"{IMAGES}/clone", {"id": "copy", "name": "Copy"}, 201, WITH_DISKS),
    ("POST", f"{IMAGES}/clone", {"id": "copy", "name": "Copy", "version": 1}, 201, WITH_DISKS),
    ("PUT", f"{IMAGES}/channels/test?version=1", None, 200, WITH_DISKS),
    ("DELETE", f"{IMAGES}/channels/production", None, 204, {}),
    ("POST", f"{IMAGES}/resize", {"size_gb": 3}, 200, WITH_DISKS),
    ("PUT", f"{IMAGES}/assign?mac={OTHER}&mode=overlay&persistence=reset&version=1", None, 200, ASSIGNED),
    ("PUT", f"{IMAGES}/unassign?mac={PLAYER}", None, 200, {"status": str, "image_id": str}),
    ("GET", DISK, None, 200, DISK_OUT),
    ("POST", f"{DISK}/reset", None, 200, DISK_OUT),
    ("POST", f"{DISK}/merge", {"comment": "merged"}, 200, VERSION),
    ("POST", f"{DISK}/kept/99/restore", None, 200, DISK_OUT),
    ("DELETE", f"{DISK}/kept/99", None, 204, {}),
]  # fmt: skip
EACH = pytest.mark.parametrize(
    ("method", "path", "body", "status", "promise"), TABLE,
    ids=[f"{line[0]} {line[1]} {'' if line[2] is None else sorted(line[2])}" for line in TABLE],
)  # fmt: skip


def all_rows() -> dict[str, list[Any]]:
    models: tuple[Any, ...] = (Layer, Version, Channel)
    return {
        **rows(),
        **{model.__name__: list(model.objects.order_by("pk").values_list()) for model in models},
    }


@pytest.fixture
def lab(house: Export) -> Export:
    """An image with versions 1, 2 (nothing uses it) and 3, and an overlay that kept changes of version 1."""
    image = services.create_image(image_id=LAB, name="Lab", size_bytes=2 * GIB, device_type="x64")
    settle()
    publish(image)
    publish(image)
    services.roll_back(image=image, number=1)
    settle()
    for number, mac in enumerate((PLAYER, OTHER), 3):
        register_profile(mac=mac, device_type="x64", name=f"pc-{number}")
    services.promote(image=image, channel="production", number=1)
    export = services.assign_image(image=image, device=get_device(mac=PLAYER), mode="overlay", version="1")
    settle()
    return with_kept_changes(export)


def with_kept_changes(export: Export) -> Export:
    """Its overlay on version 1 is kept aside under the number 99, and a fresh one stands on version 3."""
    assert export.layer is not None
    Layer.objects.filter(pk=export.layer.pk).update(number=99)
    write(export.layer)
    third = publish(Image.objects.get(pk=LAB))
    export.refresh_from_db()
    lineage.refresh(export, third)
    Export.objects.filter(pk=export.pk).update(follows="latest", version=None)
    settle()
    export.refresh_from_db()
    return export


@EACH
def test_it_answers_with_its_status_and_every_promised_field(
    api: Api, lab: Export, method: str, path: str, body: Any, status: int, promise: dict[str, Any]
) -> None:
    answer = api.call(method, path, body)
    assert answer.status_code == status, answer.content
    if status == 204:
        assert answer.content == b""
        return
    shown = answer.json()
    for row in shown if isinstance(shown, list) else [shown]:
        assert differences(row, promise) == {}


@EACH
def test_it_is_closed_to_strangers(
    lab: Export, method: str, path: str, body: Any, status: int, promise: dict[str, Any]
) -> None:
    before = all_rows()
    answers = [Api("wrong").call(method, path, body), Client().generic(method, path)]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert all_rows() == before


@EACH
def test_who_may_only_read_reads_and_changes_nothing(
    lab: Export, viewer: User, make_api: Callable[..., Api], method: str, path: str, body: Any, status: int,
    promise: dict[str, Any],
) -> None:  # fmt: skip
    before = all_rows()
    answer = make_api(viewer).call(method, path, body)
    if method == "GET":
        assert answer.status_code == status
    else:
        assert complaint(answer, 403) is None
    assert all_rows() == before


@EACH
def test_what_is_not_there_is_404_and_changes_nothing(
    api: Api, lab: Export, method: str, path: str, body: Any, status: int, promise: dict[str, Any]
) -> None:
    before = all_rows()
    elsewhere = path.replace(f"/images/{LAB}", "/images/labs").replace(PLAYER, "52:54:00:00:00:77")
    assert complaint(api.call(method, elsewhere, body), 404) is None
    assert all_rows() == before


USED = [line for line in TABLE if line[0] != "GET" and line[1].startswith((DISK, f"{IMAGES}/unassign"))]


@pytest.mark.parametrize(
    "line", [line for line in USED if line[0] != "DELETE"], ids=lambda line: str(line[1])
)
def test_while_the_device_uses_its_disk_it_is_refused_and_says_who(
    api: Api, lab: Export, line: tuple[str, str, Any, int, Any]
) -> None:
    log_in(lab)
    before = all_rows()
    answer = api.call(line[0], line[1], line[2])
    assert complaint(answer, 409) is None
    assert "in use by pc-3" in answer.json()["detail"]
    assert all_rows() == before


def test_every_call_of_the_table_is_documented_with_its_answer(lab: Export) -> None:
    documented = Client().get("/openapi.json").json()["paths"]
    patterns = {re.compile(re.sub(r"{\w+}", "[^/]+", path)): verbs for path, verbs in documented.items()}
    for method, path, _, status, _ in TABLE:
        plain = path.partition("?")[0]
        found = [verbs for known, verbs in patterns.items() if known.fullmatch(plain)]
        assert found, plain
        operation = found[0][method.lower()]
        assert str(status) in operation["responses"], f"{method} {plain} does not tell of {status}"


NUMBERS: list[Any] = [0, -1, -5, 2**31, 10**40, 1e30, 1.5, True, "", "x", "1\0", "latest", [], {}, [1]]
COMMENTS: list[Any] = [None, "a\0b", "\x07", "\x1b[0m", "\u202e", "x" * 501, "x" * 100_000, 5, True, [], {}]
BODIES: list[tuple[str, str, str, list[Any]]] = [
    (f"{IMAGES}/versions", "{}", "comment", COMMENTS),
    (f"{DISK}/merge", "{}", "comment", COMMENTS),
    (f"{IMAGES}/rollback", "{}", "version", [None, *NUMBERS]),
    (f"{IMAGES}/clone", '{"id": "copy", "name": "Copy"}', "version", NUMBERS),
    (f"{IMAGES}/clone", '{"name": "Copy"}', "id",
     [None, "", "Copy", "a/b", "..", "a" * 64, "a\0", "-a", "a\n", "é", "x" * 100_000, 5, True, []]),
    (f"{IMAGES}/clone", '{"id": "copy"}', "name",
     [None, "", " ", "a\nb", "a\0", "${x}", "x" * 201, 5, True, [], {}]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "field", "values"), BODIES, ids=[f"{b[0]} {b[2]}" for b in BODIES])
def test_a_value_that_cannot_be_right_is_refused_by_its_field(
    api: Api, lab: Export, path: str, body: str, field: str, values: list[Any]
) -> None:
    before = all_rows()
    wrong = {}
    for value in values:
        data = json.dumps({**json.loads(body), field: value}).encode()
        wrong[repr(value)[:40]] = complaint(ask(api, "POST", path, data), 422)
    assert {value: why for value, why in wrong.items() if why} == {}
    assert all_rows() == before


WORDS = ["", "-1", "0", "1e30", "9" * 30, "x", "%00", "1%0a2", "..", "a%2fb", "x" * 5000]
QUERIES = [
    ("PUT", f"{IMAGES}/channels/test?version={{}}"),
    ("PUT", f"{IMAGES}/channels/{{}}?version=1"),
    ("DELETE", f"{IMAGES}/channels/{{}}"),
    ("DELETE", f"{IMAGES}/versions/{{}}"),
    ("POST", f"{DISK}/kept/{{}}/restore"),
    ("DELETE", f"{DISK}/kept/{{}}"),
    ("PUT", f"{IMAGES}/assign?mac={OTHER}&mode={{}}"),
    ("PUT", f"{IMAGES}/assign?mac={OTHER}&mode=overlay&persistence={{}}"),
    ("PUT", f"{IMAGES}/assign?mac={OTHER}&mode=overlay&version=.{{}}"),
]


@pytest.mark.parametrize(("method", "path"), QUERIES)
def test_an_address_that_cannot_be_right_is_refused(api: Api, lab: Export, method: str, path: str) -> None:
    before = all_rows()
    answers = {word[:20]: ask(api, method, path.format(word), b"") for word in WORDS}
    wrong = {word: complaint(answer, 404, 405, 422) for word, answer in answers.items()}
    assert {word: why for word, why in wrong.items() if why} == {}
    assert all_rows() == before


def test_the_list_tells_the_versions_with_the_newest_first(api: Api, lab: Export) -> None:
    shown = {image["id"]: image for image in api.get("/api/v1/images").json()}[LAB]
    assert [(one["number"], one["channels"]) for one in shown["versions"]] == [
        (3, []), (2, []), (1, ["production"]),
    ]  # fmt: skip
    assert shown["channels"] == {"test": None, "production": 1}
    assert [(one["mac"], one["mode"], one["version"]) for one in shown["exports"]] == [(PLAYER, "overlay", 3)]
    assert api.get(DISK).json()["kept"][0]["version"] == 1


def test_a_checked_version_tells_its_checksum(api: Api, lab: Export) -> None:
    Version.objects.filter(number=1).update(sha256="0" * 64, verified_at=timezone.now())
    (first,) = [one for one in api.get(f"{IMAGES}/versions").json() if one["number"] == 1]
    assert (first["sha256"], differences(first, {**VERSION, "verified_at": "time"})) == ("0" * 64, {})
