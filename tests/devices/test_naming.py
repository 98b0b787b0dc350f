"""Names by a pattern: which text is one, and that no two machines get the same name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.naming import NUMBER_MAX, parse_pattern, take_names
from netboot_site.errors import ValidationError

words = st.text(
    st.characters(categories=["L", "N", "P", "S"], exclude_characters="{}$"), min_size=1, max_size=40
)
numbers = st.sampled_from(["{n}", *(f"{{n:0{width}}}" for width in range(1, 10))])


def names(text: str, start: int = 1, count: int = 1, taken: frozenset[str] = frozenset()) -> list[str]:
    return take_names(parse_pattern(text), start=start, count=count, taken=taken)[0]


@pytest.mark.parametrize(
    ("text", "start", "told"),
    [
        ("lab1-{n:02}", 1, ["lab1-01", "lab1-02", "lab1-03"]),
        ("lab1-{n:02}", 98, ["lab1-98", "lab1-99", "lab1-100"]),
        ("{n}", 0, ["0", "1", "2"]),
        ("room {n}, seat {n:03}", 9, ["room 9, seat 009", "room 10, seat 010", "room 11, seat 011"]),
        ("שולחן {n}", 1, ["שולחן 1", "שולחן 2", "שולחן 3"]),
    ],
)
def test_a_pattern_numbers_machines(text: str, start: int, told: list[str]) -> None:
    assert names(text, start, 3) == told


@pytest.mark.parametrize(
    "text",
    [
        "{n.__class__}", "{n!r}", "{n[0]}", "{0}", "{}", "{", "}", "{{n}}", "{n:>10}", "{n:d}", "{n:2}",
        "{n:00}", "{n:010}", "{n:999999999}", "{n:0٣}", "{N}", "{ n }", "{n", "n}", "lab-{n}{m}", "{n:{n}}",
        "%s{n}}",
    ],
)  # fmt: skip
def test_no_other_format_is_understood(text: str) -> None:
    with pytest.raises(ValidationError, match="stands for a number"):
        parse_pattern(text)


@pytest.mark.parametrize("text", ["", "  ", "a\n{n}", "a\0{n}", "${n}", "x" * 201])
def test_what_is_no_name_is_no_pattern(text: str) -> None:
    with pytest.raises(ValidationError):
        parse_pattern(text)


def test_names_that_are_taken_are_left_out_and_told() -> None:
    pattern = parse_pattern("pc-{n}")
    assert take_names(pattern, start=1, count=2, taken={"pc-2", "pc-1", "pc-9"}) == (
        ["pc-3", "pc-4"], ["pc-1", "pc-2"],
    )  # fmt: skip


def test_a_name_without_a_number_is_for_one_machine() -> None:
    assert names("front-desk") == ["front-desk"]
    with pytest.raises(ValidationError, match=r"2 machines need 2 names: write \{n\} where"):
        names("front-desk", count=2)


@pytest.mark.parametrize("start", [-1, NUMBER_MAX + 1])
def test_a_start_that_makes_no_sense_is_refused(start: int) -> None:
    with pytest.raises(ValidationError, match="start between 0 and"):
        names("pc-{n}", start)


def test_a_name_that_grows_too_long_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most 200"):
        names("x" * 197 + "{n}", start=999, count=2)


@given(words, numbers, words, st.integers(0, 10_000), st.integers(1, 30), st.sets(st.integers(0, 10_040)))
def test_each_machine_gets_a_name_of_its_own_that_nobody_has(
    before: str, number: str, after: str, start: int, count: int, gone: set[int]
) -> None:
    pattern = parse_pattern(f"{before}{number}{after}")
    taken = {pattern.name(one) for one in gone}
    told, skipped = take_names(pattern, start=start, count=count, taken=taken)
    assert len(set(told)) == len(told) == count
    assert not taken & set(told)
    assert set(skipped) <= taken
    assert all(name.startswith(before) and name.endswith(after) for name in told)


@given(st.text(st.sampled_from("{}n:0123._[]!r%$ab"), max_size=12))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        pattern = parse_pattern(text)
    except ValidationError:
        return
    name = pattern.name(7)
    assert "{" not in name
    assert "}" not in name
    assert ("7" in name) or not pattern.has_number
