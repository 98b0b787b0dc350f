"""Spellings of MAC addresses and names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netboot_site.errors import ValidationError
from netboot_site.formats import clean_name, device_code, parse_mac

macs = st.integers(1, 2**48 - 1).map(lambda n: f"{n & ~(1 << 40):012x}").filter(lambda h: int(h, 16) > 0)


@pytest.mark.parametrize(
    "spelling",
    ["52:54:00:AB:cd:01", "52-54-00-ab-cd-01", "5254.00ab.cd01", "525400ABCD01", " 52:54:00:ab:cd:01\n"],
)
def test_every_usual_spelling_is_one_address(spelling: str) -> None:
    assert parse_mac(spelling) == "52:54:00:ab:cd:01"


@pytest.mark.parametrize(
    "text",
    ["", "hello", "52:54:00:ab:cd", "52:54:00:ab:cd:01:02", "52:54-00:ab:cd:01", "01:00:5e:00:00:01",
     "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "52:54:00:ab:cd:0g", "５２:54:00:ab:cd:01", "0" * 5000],
)  # fmt: skip
def test_what_is_no_devices_address_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        parse_mac(text)


@given(macs)
def test_all_spellings_of_an_address_agree(digits: str) -> None:
    pairs = [digits[i : i + 2] for i in range(0, 12, 2)]
    spellings = [":".join(pairs), "-".join(pairs).upper(), digits]
    assert {parse_mac(s) for s in spellings} == {":".join(pairs)}


@given(macs)
def test_a_code_has_four_signs_that_are_told_apart(digits: str) -> None:
    code = device_code(parse_mac(digits))
    assert len(code) == 4
    assert not set(code) & set("01OI")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a${b}", "x" * 201, "a\x1bb", "a\u202eb"])
def test_a_name_that_could_break_a_script_or_a_page_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        clean_name(name)


@given(st.text(max_size=300))
def test_a_name_is_either_refused_or_one_printable_line(name: str) -> None:
    try:
        cleaned = clean_name(name)
    except ValidationError:
        return
    assert cleaned.isprintable()
    assert "\n" not in cleaned
