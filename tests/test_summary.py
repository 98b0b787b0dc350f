"""The line at the end of a run that tells how many tests met real programs."""

from __future__ import annotations

import pytest

from tests.conftest import real_program_counts


def report(*markers: str, when: str = "call") -> pytest.TestReport:
    keywords = dict.fromkeys(markers, 1)
    return pytest.TestReport("t", ("t.py", 1, "t"), keywords, "passed", None, when)  # type: ignore[arg-type]


def test_a_test_counts_for_each_program_that_it_met() -> None:
    line = real_program_counts([report("real_tgtd", "qemu"), report("real_tgtd"), report()])
    assert line == "Tests with real programs: tgtd 2, dnsmasq 0, QEMU 1, Chromium 0"


def test_setting_up_and_tearing_down_are_no_tests() -> None:
    assert "QEMU 0" in real_program_counts([report("qemu", when="setup"), report("qemu", when="teardown")])
