"""Text from outside in a script: one function, and nothing that iPXE would act on gets through it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.ipxe import escape, say


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("pc-07", "pc-07"),
        ("Müller's PC", "Muller's PC"),
        ("Model One & Co", "Model One & Co"),
        ("a\nchain http://evil/", "a?chain http://evil/"),
        ("${password}", "?{password}"),
        ("$${{x}}", "$?{{x}}"),
        ("a && reboot", "a & reboot"),
        ("a || reboot", "a | reboot"),
        ("ends with \\", "ends with /"),
        ("\x1b[2J", "?[2J"),
        ("電脳", "??"),
        ("", "-"),
        ("   ", "-"),
        ("two  spaces", "two spaces"),
    ],
)
def test_what_ipxe_would_act_on_is_replaced(text: str, written: str) -> None:
    assert escape(text) == written


@given(st.text(), st.integers(1, 200))
def test_any_text_becomes_one_harmless_line(text: str, width: int) -> None:
    line = escape(text, width)
    assert line.isascii()
    assert line.isprintable()
    assert 0 < len(line) <= width
    assert not re.search(r"\$\{|&&|\|\||\\", line)


@given(st.text(alphabet="$&|{}\\ \n", max_size=40))
def test_no_mixture_of_dangerous_signs_gets_through(text: str) -> None:
    assert not re.search(r"\$\{|&&|\|\||\\|\n", escape(text))


def test_a_console_line_is_cut_at_its_width() -> None:
    assert len(say("x" * 500).removeprefix("echo ")) == 79
