"""SPEC "Bad input, everywhere": every writable field, query and path, with what cannot be right.

The answer is a 4xx that says what is wrong, nothing is created or changed, and no server path is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from images.models import Export
from tests.conftest import Api
from tests.contract_api.answers import ask, complaint
from tests.contract_api.conftest import MAC, STRANGER, rows

pytestmark = pytest.mark.usefixtures("house")
LONG = "x" * 10_000
WRONG_TYPES: list[Any] = [0, -5, 1e30, float("nan"), True, [], ["a"], {}, {"a": 1}]
TEXT: list[Any] = ["a\nb", "a\r", "${net0/ip}", "a\0b", "\ud800", LONG, *WRONG_TYPES]
SLUG = [*TEXT, None, "", "..", "../x", "a/b", "a b", "-a", "é"]
PATH = [*TEXT, None, "..", "../x", "a/../../b", "./a", "/etc/passwd", "a\\b"]
BAD: dict[str, list[Any]] = {
    "mac": [*TEXT, "", "hello", "..", "a/b", "52:54:00:12:34", "52:54:00:12:34:56:78", "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "52:54-00:12:34:57"],
    "device_type": [*TEXT, "", "toaster", "X64", ".."],
    "name": [*TEXT, "", "  ", "x" * 201, "\u2028", "a\u202eb"],
    "group name": [*TEXT, None, "", "  "],
    "enabled": [None, "perhaps", "\0", LONG, 2, -5, 1e30, float("nan"), [], {}],
    "image_id": [*TEXT, "", "none", "..", "a/b", "disk", "disk100", "DISK10"],
    "kernel_set": [*TEXT, None, "", "none", "..", "a/b", "Default"],
    "group": [*TEXT, "none", "..", "Room", "Room 1/2"],
    "installer": [*TEXT, "", "none", "..", "a/b"],
    "action": [*TEXT, "", "dance", "LOCAL"],
    "slug": SLUG,
    "id": [*SLUG, "Disk", "a.b", "a" * 64, "a:b", "a,b"],
    "size_gb": [None, 0, -5, -0.0, 1e30, 1e300, float("nan"), float("inf"), -float("inf"), 10**400, 16385,
                True, "much", "", "\0", LONG, "NaN", "1e400", [], [1], {}],
    "kernel_url": [*TEXT, None, "a b", "../../etc/passwd", "http://h/../x", "a\\b", "x" * 501],
    "initramfs_url": [*TEXT, "a b", "../../etc/passwd", "x" * 501],
    "cmdline": [*TEXT, None, "a || reboot", "a && b", "a \\", "é"],
    "is_default": [None, "perhaps", "\0", LONG, 2, -5, 1e30, [], {}],
    "path": [*PATH, "", "x" * 301],
    "initrd": PATH,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """A call that would succeed, and the kind of each of its fields."""

    method: str
    path: str
    body: dict[str, Any]
    kinds: dict[str, str]


DEVICE = {name: name for name in ("device_type", "name", "enabled", "image_id", "kernel_set", "group")}
DEVICE_BODY = {"device_type": "x64", "name": "new"}
KERNEL = {name: name for name in ("kernel_url", "initramfs_url", "cmdline", "is_default")}
KERNEL_BODY = {"kernel_url": "/k", "cmdline": "quiet"}
INSTALLER = {"path": "path", "kernel": "path", "initrd": "initrd", "kernel_cmdline": "cmdline",
             "device_type": "device_type"}  # fmt: skip
INSTALLER_BODY = {"path": "p", "kernel": "k", "device_type": "x64"}
CALLS = {
    "register a device": Call("POST", "/api/v1/devices", {**DEVICE_BODY, "mac": "525400000009"},
                              {**DEVICE, "mac": "mac"}),
    "replace a device": Call("PUT", f"/api/v1/devices/{MAC}", DEVICE_BODY, {**DEVICE, "mac": "mac"}),
    "change a device": Call("PATCH", f"/api/v1/devices/{MAC}", {}, {**DEVICE, "mac": "mac"}),
    "its next boot": Call("PUT", f"/api/v1/devices/{MAC}/boot-once",
                          {"action": "installer", "installer": "debian"},
                          {"action": "action", "installer": "installer"}),
    "approve a device": Call("POST", f"/api/v1/unknown-devices/{STRANGER}/approve", {},
                             {name: name for name in ("name", "device_type", "group", "image_id")}),
    "create a group": Call("POST", "/api/v1/groups", {"name": "g"}, {"name": "group name"}),
    "create an image": Call("POST", "/api/v1/images",
                            {"id": "new", "name": "New", "size_gb": 1, "device_type": "x64"},
                            {"id": "id", "name": "name", "size_gb": "size_gb", "device_type": "device_type"}),
    "resize an image": Call("POST", "/api/v1/images/disk10/resize", {"size_gb": 3}, {"size_gb": "size_gb"}),
    "create a kernel set": Call("POST", "/api/v1/kernel-sets", {**KERNEL_BODY, "name": "new"},
                                {**KERNEL, "name": "slug"}),
    "replace a kernel set": Call("PUT", "/api/v1/kernel-sets/pi5", KERNEL_BODY, KERNEL),
    "create an installer": Call("POST", "/api/v1/os-installers", {**INSTALLER_BODY, "name": "new"},
                                {**INSTALLER, "name": "slug"}),
    "replace an installer": Call("PUT", "/api/v1/os-installers/debian", INSTALLER_BODY, INSTALLER),
}  # fmt: skip


def fields() -> Iterator[tuple[str, str]]:
    for name, call in CALLS.items():
        for field in call.kinds:
            yield name, field


def refusals(api: Api, call: Call, bodies: dict[str, bytes], *statuses: int) -> dict[str, str]:
    """What is wrong with the answers to these bodies, by body."""
    found = {
        name: complaint(ask(api, call.method, call.path, body), *statuses) for name, body in bodies.items()
    }
    return {name: wrong for name, wrong in found.items() if wrong}


@pytest.mark.parametrize(("name", "field"), list(fields()))
def test_a_value_that_cannot_be_right_is_refused_by_its_field(api: Api, name: str, field: str) -> None:
    call, before = CALLS[name], rows()
    bodies = {
        repr(value)[:60]: json.dumps({**call.body, field: value}).encode() for value in BAD[call.kinds[field]]
    }
    not_numbers = {shown: body for shown, body in bodies.items() if b"NaN" in body or b"Infinity" in body}
    wrong = refusals(api, call, {shown: bodies[shown] for shown in bodies.keys() - not_numbers}, 422)
    assert {**wrong, **refusals(api, call, not_numbers, 400, 422)} == {}
    assert rows() == before


@pytest.mark.parametrize("name", CALLS)
def test_a_body_that_is_no_object_of_json_is_refused(api: Api, name: str) -> None:
    call, before = CALLS[name], rows()
    good = json.dumps({**call.body, "name": "twice"})
    bodies = {
        "half": b"{",
        "text": b"name=new",
        "bytes": b"\xff\xfe\0\0",
        "NUL": b"\0",
        "an array": f"[{good}]".encode(),
        "a string": b'"new"',
        "a number": b"1e30",
        "two documents": f"{good}{good}".encode(),
        "a key twice": f'{{"name": "once", {good[1:]}'.encode(),
        "a comment": f"/* */{good}".encode(),
        "deep": b'{"name":' * 50_000,
    }
    assert refusals(api, call, bodies, 400, 422) == {}
    assert refusals(api, call, {"2 MiB": b'{"name": "' + b"x" * 2 * 1024**2 + b'"}'}, 413) == {}
    assert rows() == before


def test_a_key_given_twice_and_a_text_that_is_no_json_are_told(api: Api) -> None:
    twice = ask(api, "POST", "/api/v1/groups", b'{"name": "a", "name": "b"}')
    assert "'name' twice" in twice.json()["detail"]
    broken = ask(api, "POST", "/api/v1/groups", b'{"name": "a",\n }')
    assert "line 2" in broken.json()["detail"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/x-www-form-urlencoded", b"name=Room+2"), ("text/plain", b"Room 2"),
     ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx'),
     ("application/xml", b"<name>Room 2</name>"), ("application/octet-stream", bytes(64))],
)  # fmt: skip
@pytest.mark.parametrize(
    "name", ["register a device", "create an image", "create a group", "approve a device"]
)
def test_a_body_of_another_kind_is_refused(api: Api, name: str, content_type: str, body: bytes) -> None:
    before = rows()
    answer = ask(api, CALLS[name].method, CALLS[name].path, body, content_type)
    assert complaint(answer, 400, 415, 422) is None
    assert rows() == before


@pytest.mark.parametrize("name", CALLS)
def test_what_the_table_calls_good_is_taken(api: Api, name: str) -> None:
    """Otherwise the refusals above would show nothing."""
    call = CALLS[name]
    answer = ask(api, call.method, call.path, json.dumps(call.body).encode())
    assert answer.status_code in {200, 201}, answer.content


NUMBERS = ["-1", "-5", "1e30", "NaN", "x", "99999999999999999999", "1.5", "%00", "1%0a2"]
QUERIES = {
    "/api/v1/devices?limit=": NUMBERS,
    "/api/v1/devices?offset=": NUMBERS,
    "/api/v1/devices?status=": ["toaster", "%00", "x" * 5000, "ENROLLED", "discovered"],
    "/api/v1/devices?q=": ["%00", "x" * 5000],
    "/api/v1/devices?group=": ["%00", "x" * 5000],
    "/api/v1/unknown-devices?limit=": NUMBERS,
    "/api/v1/unknown-devices?offset=": NUMBERS,
    "/api/v1/boots?limit=": NUMBERS,
    f"/api/v1/devices/{MAC}/boots?limit=": NUMBERS,
    "/api/v1/boot/check-in?mac=": ["", "hello", "%00", "..", "a/b", "%0a", "$%7bmac%7d", "x" * 5000,
                                   "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"],
}  # fmt: skip
CHANGING = {
    "/api/v1/images/disk10/assign?mac=": ["", "hello", "%00", "..", "a/b", "x" * 5000, "01:00:5e:00:00:01"],
    f"/api/v1/images/disk10/assign?mac={MAC}&mode=": ["", "nonsense", "%00", "x" * 5000, "EXCLUSIVE"],
    f"/api/v1/images/disk10/assign?mac={MAC}&persistence=": ["", "x", "%00"],
    f"/api/v1/images/disk10/assign?mac={MAC}&version=": ["0", "-5", "1e30", "x"],
    "/api/v1/images/disk1/unassign?mac=": ["hello", "%00", "..", "x" * 5000, "01:00:5e:00:00:01"],
    "/api/v1/images/disk1/content?sha256=": ["x", "%00", "0" * 65, "x" * 5000],
}


@pytest.mark.parametrize(("path", "values"), list({**QUERIES, **CHANGING}.items()))
def test_a_query_that_cannot_be_right_is_refused(api: Api, path: str, values: list[str]) -> None:
    method, before = "PUT" if path in CHANGING else "GET", rows()
    answers = {value[:40]: complaint(ask(api, method, path + value, b""), 422) for value in values}
    assert {value: wrong for value, wrong in answers.items() if wrong} == {}
    assert rows() == before


NAMES = ["..", "%2e%2e", "a%2fb", "..%2f..%2fetc%2fpasswd", "a/b", "a%0ab", "$%7bx%7d", "%00", "x" * 5000,
         "%ff", "disk", "DISK1", "disk1%20", "-5", "1e30"]  # fmt: skip
ONE = [
    ("GET", "/api/v1/devices/{}"), ("PUT", "/api/v1/devices/{}"), ("PATCH", "/api/v1/devices/{}"),
    ("DELETE", "/api/v1/devices/{}"), ("GET", "/api/v1/devices/{}/boots"),
    ("PUT", "/api/v1/devices/{}/boot-once"), ("POST", "/api/v1/unknown-devices/{}/approve"),
    ("DELETE", "/api/v1/unknown-devices/{}"), ("GET", "/api/v1/images/{}"), ("DELETE", "/api/v1/images/{}"),
    ("PUT", f"/api/v1/images/{{}}/assign?mac={MAC}"), ("PUT", "/api/v1/images/{}/unassign"),
    ("POST", "/api/v1/images/{}/resize"), ("PUT", "/api/v1/images/{}/content"),
    ("GET", "/api/v1/kernel-sets/{}"), ("PUT", "/api/v1/kernel-sets/{}"),
    ("DELETE", "/api/v1/kernel-sets/{}"), ("GET", "/api/v1/os-installers/{}"),
    ("PUT", "/api/v1/os-installers/{}"), ("DELETE", "/api/v1/os-installers/{}"),
    ("GET", "/api/v1/groups/{}"), ("DELETE", "/api/v1/groups/{}"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ONE)
def test_a_name_in_the_path_that_is_nobodys_is_refused(api: Api, method: str, path: str) -> None:
    before = rows()
    whole = {**DEVICE_BODY, **KERNEL_BODY, **INSTALLER_BODY, "size_gb": 9, "action": "local"}
    body = json.dumps({key: value for key, value in whole.items() if key != "name"} | {"name": None}).encode()
    if "devices" in path:
        body = json.dumps({**whole, "name": "new"}).encode()
    answers = {name[:40]: complaint(ask(api, method, path.format(name), body), 404, 422) for name in NAMES}
    assert {name: wrong for name, wrong in answers.items() if wrong} == {}
    assert rows() == before


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/api/v1/images/disk1/nothing", "/api/", "/api/v2/devices"]
)
def test_an_address_that_nobody_serves_is_told_in_json(api: Api, path: str) -> None:
    assert complaint(ask(api, "GET", path, b""), 404) is None


@pytest.mark.parametrize("path", ["/api/v1/devices", "/api/v1/images", "/api/v1/storage", "/api/v1/boots"])
def test_a_method_that_nobody_serves_is_told_in_json(api: Api, path: str) -> None:
    answer = ask(api, "DELETE", path, b"")
    assert complaint(answer, 405) is None
    assert "GET" in answer["Allow"]


def test_a_disk_larger_than_the_room_that_is_left_is_refused_by_name(api: Api, house: Export) -> None:
    house.image.node.__class__.objects.update(observed_free_bytes=10 * 1024**3)
    before = rows()
    for method, path, body in (
        ("POST", "/api/v1/images", {"id": "big", "name": "Big", "size_gb": 11, "device_type": "x64"}),
        ("POST", "/api/v1/images/disk10/resize", {"size_gb": 13}),
    ):
        answer = ask(api, method, path, json.dumps(body).encode())
        assert complaint(answer, 409) is None
        assert "10.0 GiB left" in answer.json()["detail"]
    assert rows() == before


@pytest.mark.parametrize(
    "start", [b"\xfd7zXZ\x00", b"\xfd7zXZ\x00\x00\x04\xe6", b"\x1f\x8b\x08", b"QFI\xfb", b"PK\x03\x04"]
)
def test_a_truncated_archive_is_refused_and_the_old_content_stays(
    api: Api, house: Export, start: bytes, images_path: Any
) -> None:
    before = rows()
    answer = ask(api, "PUT", "/api/v1/images/disk10/content", start, "application/octet-stream")
    assert complaint(answer, 422) is None
    assert rows() == before
    assert not [path for path in images_path.rglob("*") if path.is_file()]
