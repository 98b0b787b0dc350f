"""Any bytes in any parameter of /boot/pi: an answer of ours, and no line that the sender wrote."""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow import firmware
from devices.models import Device
from tests.bootflow.test_firmware_fuzz import ask, gently, nasty

PATH = "/boot/pi"
NAMES = ["mac", "serial", "model", "revision", "system", "retry", "product", "arch", "device_type"]
values = st.one_of(
    nasty,
    st.sampled_from([
        b"b827eb6c4c16", b"waiting", b"initramfs", b"a02082", b"00000000b66c4c16", b"x\naction restart",
        b"\raction boot", b"x\nseconds 0\nsay y", b"ffffffff", b"0", "\u0661".encode(),
    ]),
)  # fmt: skip
queries = st.lists(st.tuples(st.sampled_from(NAMES), values), max_size=10)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is believed to come from the machine's own address."""
    monkeypatch.setattr(firmware, "owns_address", lambda *, mac, address: True)


def check_answer(status: str, headers: dict[str, str], body: bytes) -> None:
    assert status == "200 OK"
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert set(headers) == {"Content-Type", "Content-Length"}
    first, second, *said = body.decode("ascii").splitlines()
    assert first == "action wait", "nothing is there to boot"
    assert re.fullmatch(r"seconds [0-9]{1,3}", second)
    assert said
    for line in (first, second, *said):
        assert len(line) <= 79
        assert line.isprintable()
    assert all(line.startswith("say ") for line in said)


def text_of(fields: list[tuple[str, bytes]]) -> str:
    return "&".join(f"{name}={quote_from_bytes(value)}" for name, value in fields)


@gently
@given(queries, nasty)
def test_any_bytes_in_any_field_are_answered(fields: list[tuple[str, bytes]], address: bytes) -> None:
    check_answer(*ask(PATH, text_of(fields), address.decode("latin-1")))


@gently
@given(nasty)
def test_any_query_string_is_answered(query: bytes) -> None:
    check_answer(*ask(PATH, query.decode("latin-1")))


@gently
@given(values, values, values)
def test_what_a_pi_says_of_itself_is_harmless_in_every_later_answer(
    model: bytes, serial: bytes, revision: bytes
) -> None:
    fields = [("mac", b"b827eb6c4c16"), ("system", b"waiting"), ("model", model), ("serial", serial)]
    for retry in (b"0", b"1"):
        check_answer(*ask(PATH, text_of([*fields, ("revision", revision), ("retry", retry)])))
    found = Device.objects.get()
    assert re.fullmatch(r"([0-9a-f]{8}|[0-9a-f]{16})?", found.serial)
    assert found.serial[-6:] in {"", "6c4c16"}
    assert len(str(found.facts.get("model", ""))) <= 100


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
def test_only_reading_is_understood(method: str) -> None:
    status, headers, body = ask(PATH, "mac=b827eb6c4c16&system=waiting", method=method)
    assert (status, headers["Allow"]) == ("405 Method Not Allowed", "GET, HEAD")
    assert b"<" not in body
    assert not Device.objects.exists()
