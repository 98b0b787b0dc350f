"""What a run says at its end: how many tests met real programs, and that none may be left out in CI."""

from __future__ import annotations

import pytest

from tests.conftest import real_program_counts, refuse_skip


def report(*markers: str, when: str = "call") -> pytest.TestReport:
    keywords = dict.fromkeys(markers, 1)
    return pytest.TestReport("t", ("t.py", 1, "t"), keywords, "passed", None, when)  # type: ignore[arg-type]


def test_a_test_counts_for_each_program_that_it_met() -> None:
    line = real_program_counts([report("real_tgtd", "qemu"), report("real_tgtd"), report()])
    assert line == "Tests with real programs: tgtd 2, qemu-storage-daemon 0, dnsmasq 0, QEMU 1, Chromium 0"


def test_setting_up_and_tearing_down_are_no_tests() -> None:
    assert "QEMU 0" in real_program_counts([report("qemu", when="setup"), report("qemu", when="teardown")])


def test_a_skipped_test_has_failed_where_nothing_may_be_left_out() -> None:
    skipped = report("qemu")
    skipped.outcome, skipped.longrepr = "skipped", "no root"
    refuse_skip(skipped)
    assert skipped.failed
    assert "no root" in str(skipped.longrepr)


def test_a_passed_test_stays_passed_and_an_expected_failure_expected() -> None:
    passed, expected = report("qemu"), report("qemu")
    expected.outcome, expected.wasxfail = "skipped", "known"
    for one in (passed, expected):
        refuse_skip(one)
    assert passed.passed
    assert expected.skipped
