"""What a machine says of itself: hostile query strings become short printable fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.facts import (
    FACT_LENGTH,
    QUERY_LENGTH,
    RETRY_LIMIT,
    clean,
    device_type_of,
    facts_of,
    firmware_of,
    parse_query,
    retry_of,
)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", {}),
        ("mac=1", {"mac": "1"}),
        ("mac=1&mac=2", {"mac": "1"}),  # the first of two equal names counts
        ("mac=&mac=2", {"mac": "2"}),  # an empty one is none
        ("product=A&B=C&mac=9", {"product": "A", "B": "C", "mac": "9"}),
        ("mac=1&product=X&mac=2&retry=7", {"mac": "1", "product": "X", "retry": "7"}),
        ("a=b=c", {"a": "b=c"}),
        ("&&=&=x&a", {"": "x"}),
        ("product=A%26B", {"product": "A&B"}),
        ("product=A+B", {"product": "A+B"}),  # iPXE writes a space as %20
        ("serial=%00x%0a%1b[31my", {"serial": "x[31my"}),
        ("serial=%0a%0d", {"serial": ""}),
        ("serial=%20%20a%20%20", {"serial": "a"}),
        ("serial=%ff%fe", {"serial": "\ufffd\ufffd"}),
        ("serial=%c3%bc", {"serial": "\u00fc"}),
        ("serial=\u00c3\u00bc", {"serial": "\u00fc"}),  # octets as latin-1 signs (PEP 3333)
        ("serial=\u20ac", {"serial": "?"}),  # what is no octet
        ("serial=%zz%4", {"serial": "%zz%4"}),
        ("serial=%e2%80%ae", {}),  # a sign that turns text round
    ],
)  # fmt: skip
def test_a_query_string_has_these_fields(query: str, fields: dict[str, str]) -> None:
    assert {name: value for name, value in parse_query(query).items() if value or name in fields} == fields


def test_a_field_is_cut_and_a_query_of_ten_thousand_characters_too() -> None:
    assert parse_query("serial=" + "x" * 10_000) == {"serial": "x" * FACT_LENGTH}
    late = "product=" + "x" * (QUERY_LENGTH - 8) + "&mac=52:54:00:12:34:56"
    assert set(parse_query(late)) == {"product"}


def test_a_cut_inside_an_escape_leaves_no_half_sign_that_matters() -> None:
    query = "a=" + "x" * (QUERY_LENGTH - 4) + "%41"
    assert parse_query(query)["a"] == "x" * FACT_LENGTH


@given(st.text(max_size=600))
def test_no_query_makes_it_raise_and_every_field_is_one_short_printable_line(query: str) -> None:
    for value in parse_query(query).values():
        assert len(value) <= FACT_LENGTH
        assert value.isprintable()
        assert value == value.strip() == clean(value)


@given(st.text(max_size=50), st.text(max_size=100))
def test_a_first_field_is_never_replaced_by_what_follows(first: str, rest: str) -> None:
    alone = parse_query(f"mac={first.replace('&', '')}")
    if alone:
        assert parse_query(f"mac={first.replace('&', '')}&{rest}")["mac"] == alone["mac"]


def test_only_known_facts_that_say_something_are_kept() -> None:
    fields = {"serial": "S", "asset": "", "uuid": "u", "mac": "m", "evil": "x", "retry": "1"}
    assert facts_of(fields) == {"serial": "S", "uuid": "u"}


@pytest.mark.parametrize(
    ("platform", "firmware"), [("pcbios", "bios"), ("efi", "uefi"), ("EFI", ""), ("", ""), ("linux", "")]
)
def test_the_firmware_is_what_the_platform_tells(platform: str, firmware: str) -> None:
    assert firmware_of({"platform": platform}) == firmware


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, ""),
        ({"arch": "x86_64"}, "x64"),
        ({"arch": "i386"}, "x86"),
        ({"arch": "arm64"}, "raspi"),
        ({"arch": "arm32"}, "raspi"),
        ({"arch": "mips"}, ""),
        ({"manufacturer": "Raspberry Pi Foundation", "arch": "x86_64"}, "raspi"),
        ({"device_type": "x86", "arch": "x86_64"}, "x86"),
        ({"device_type": "toaster", "arch": "x86_64"}, "x64"),
        ({"device_type": "toaster"}, ""),
    ],
)
def test_a_type_is_what_was_given_else_what_the_processor_implies(fields: dict[str, str], kind: str) -> None:
    assert device_type_of(fields) == kind


@pytest.mark.parametrize(
    ("text", "retry"),
    [
        ("", 0), ("0", 0), ("7", 7), ("007", 7), ("-1", 0), ("1.5", 0), ("x", 0), ("\u0664", 0),
        ("\u00b2", 0),
        ("999999999", RETRY_LIMIT), ("1000000", RETRY_LIMIT), ("999999", 999_999), ("9" * 10, 0), (" 7", 0),
    ],
)  # fmt: skip
def test_how_often_it_has_asked_is_a_number_within_bounds(text: str, retry: int) -> None:
    assert retry_of({"retry": text}) == retry
