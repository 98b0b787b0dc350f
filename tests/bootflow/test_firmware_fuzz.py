"""Any bytes in any parameter of the firmware endpoints: an answer, and no line that the sender wrote."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootflow.firmware import ANSWERS
from bootflow.models import BootEvent
from bootflow.wsgi import application
from devices.models import Device

SCRIPTS = [path for path in ANSWERS if path.startswith("/boot/") and path != "/boot/pi"]
CHECK_IN = "/api/v1/boot/check-in"
NAMES = [
    "mac",
    "uuid",
    "serial",
    "manufacturer",
    "product",
    "asset",
    "arch",
    "buildarch",
    "platform",
    "memory",
    "version",
    "retry",
    "event",
    "error",
]
MARK = b"PWNED"
nasty = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([
        b"525400123456", b"52:54:00:12:34:56", b"sanboot-failed", b"local", b"\0", b"\n" + MARK, b"\r" + MARK,
        b"x\n#!ipxe\n" + MARK, b"${" + MARK + b"}", b"&& " + MARK, b"|| " + MARK, MARK + b" \\",
        b"\xff\xfe" * 300, b"9" * 400, b"-1", b"\xed\xa0\x80",
        "\u2028".encode() + MARK, b"\x85" + MARK, b"\x0b" + MARK,
    ]),
)  # fmt: skip
queries = st.lists(st.tuples(st.sampled_from(NAMES), nasty), max_size=12)
pytestmark = pytest.mark.django_db
gently = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def ask(
    path: str, query: str, address: str = "10.66.0.50", method: str = "GET"
) -> tuple[str, dict[str, str], bytes]:
    """What the boot process answers."""
    told: list[Any] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "HTTP_X_REAL_IP": address}
    body = b"".join(application(environ, lambda status, headers: told.extend([status, dict(headers)])))
    return told[0], told[1], body


def check_script(status: str, headers: dict[str, str], body: bytes) -> None:
    assert status == "200 OK"
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert set(headers) == {"Content-Type", "Content-Length"}
    text = body.decode("ascii")
    assert text.startswith("#!ipxe\n")
    assert "${" + MARK.decode() not in text
    for line in text.splitlines():
        assert not line.lstrip().startswith(MARK.decode())
        assert not line.endswith("\\")
        assert not any(f"{guard} {MARK.decode()}" in line for guard in ("&&", "||"))


@gently
@given(st.sampled_from(SCRIPTS), queries, nasty)
def test_scripts_survive_any_bytes(path: str, fields: list[tuple[str, bytes]], address: bytes) -> None:
    query = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in fields)
    check_script(*ask(path, query, address.decode("latin-1")))


@gently
@given(st.sampled_from(SCRIPTS), nasty)
def test_scripts_survive_any_query_string(path: str, query: bytes) -> None:
    check_script(*ask(path, query.decode("latin-1")))


@gently
@given(nasty, nasty)
def test_names_that_a_machine_gave_are_harmless_in_every_later_script(product: bytes, serial: bytes) -> None:
    query = f"mac=525400123456&serial={quote_from_bytes(serial)}&product={quote_from_bytes(product)}"
    for _ in range(2):
        check_script(*ask("/boot/script", query))
    assert Device.objects.get().mac == "52:54:00:12:34:56"


@gently
@given(queries)
def test_a_check_in_is_200_for_a_mac_address_and_422_otherwise(fields: list[tuple[str, bytes]]) -> None:
    query = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in fields)
    status, headers, body = ask(CHECK_IN, query)
    assert status in {"200 OK", "422 Unprocessable Entity"}
    assert headers["Content-Type"] == "application/json"
    answer = json.loads(body)
    assert ("detail" in answer) == (status != "200 OK")
    assert ("action" in answer) == (status == "200 OK")


def test_a_flood_of_strange_fields_is_cut() -> None:
    status, _, _ = ask("/boot/script", "mac=525400123456&" + "a=b&" * 100_000 + "product=" + "x" * 100_000)
    assert status == "200 OK"
    ask("/boot/script", "mac=525400123457&product=" + "x" * 8000)
    facts = Device.objects.get(mac="52:54:00:12:34:57").facts
    assert len(facts["product"]) == 200
    assert all(len(str(event.facts)) < 2000 for event in BootEvent.objects.all())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_only_reading_is_understood(method: str) -> None:
    status, headers, body = ask("/boot/script", "mac=525400123456", method=method)
    assert status == "405 Method Not Allowed"
    assert headers["Allow"] == "GET, HEAD"
    assert headers["Content-Type"].startswith("text/plain")
    assert b"<" not in body
    assert not Device.objects.exists()


def test_head_has_the_headers_alone() -> None:
    status, headers, body = ask("/boot/boot.ipxe", "", method="HEAD")
    assert (status, body) == ("200 OK", b"")
    assert int(headers["Content-Length"]) > 100


def test_an_earlier_field_is_not_replaced_by_free_text_that_follows() -> None:
    ask("/boot/script", "mac=525400123456&product=One&mac=aa:bb:cc:dd:ee:f0&retry=9")
    assert Device.objects.get().mac == "52:54:00:12:34:56"
