"""Stages of a boot beside what is usual, and how they are drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.models import Boot, BootEvent, Outcome, Stage
from bootflow.steps import Step, is_slow, steps_of, whole_of
from bootflow.timeline import marks_of
from bootflow.usual import Usual, stage_usuals
from bootflow.waterfall import draw, ticks_of

START = datetime(2026, 2, 14, 8, 0, tzinfo=UTC)
USUAL = Usual(20, 4.0, 6.0)


def boot(outcome: str = "ok", seconds: float = 30, stage: str = Stage.OS) -> Boot:
    ended = START + timedelta(seconds=seconds) if outcome else None
    return Boot(
        mac="52:54:00:00:00:01", started_at=START, last_event_at=START + timedelta(seconds=seconds),
        finished_at=ended, stage=stage, outcome=outcome,
    )  # fmt: skip


def events(*told: tuple[str, str, float], **facts: Any) -> list[BootEvent]:
    return [
        BootEvent(pk=number, stage=stage, kind=kind, at=START + timedelta(seconds=after), facts=facts)
        for number, (stage, kind, after) in enumerate(told)
    ]


PC = [
    ("dhcp", "discover", 0.0), ("dhcp", "address", 1.0), ("tftp", "file", 3.0), ("dhcp", "discover", 4.0),
    ("script", "script", 6.0), ("iscsi", "login", 10.0), ("os", "takeover", 30.0), ("os", "online", 42.0),
]  # fmt: skip


def steps(row: Boot, rows: list[BootEvent], usual: dict[str, Usual] | None = None) -> list[Step]:
    firsts = {event.stage: event.at for event in reversed(rows)}
    return steps_of(row, rows, marks_of(row, firsts), usual or {}, {})


def test_a_stage_begins_with_its_first_event_and_ends_where_the_next_begins() -> None:
    found = {step.stage: (step.after_seconds, step.lasted_seconds) for step in steps(boot(), events(*PC))}
    assert found == {"dhcp": (0, 1), "tftp": (1, 5), "script": (6, 4), "iscsi": (10, 20), "os": (30, 12)}


@pytest.mark.django_db
def test_stages_are_as_long_here_as_in_the_statement_that_tells_what_is_usual() -> None:
    row = boot()
    row.save()
    for one in events(*PC):
        one.pk, one.boot = None, row
        one.save()
    rows = list(row.events.all())
    rows[0].facts = {"last_at": (START + timedelta(seconds=0.5)).isoformat()}
    rows[0].save()
    usual = {stage: one.median_seconds for stage, one in stage_usuals([row.mac]).items()}
    assert {step.stage: step.lasted_seconds for step in steps(row, rows)} == usual


def test_bytes_are_those_of_all_files_that_came() -> None:
    found = steps(boot(), events(*PC, bytes=1000))
    assert {step.stage: step.size_bytes for step in found if step.size_bytes} == {"tftp": 1000}
    assert [step.figure for step in found][:2] == ["1.0 s", "5.0 s · 1000 B"]


def test_an_operating_system_that_says_nothing_more_was_reached() -> None:
    assert steps(boot(), events(*PC[:-1]))[-1].figure == "reached"


@pytest.mark.parametrize(
    ("lasted", "usual", "slow"),
    [(12, USUAL, True), (5.9, USUAL, False), (12, None, False), (12, Usual(4, 4.0, 6.0), False),
     (0.3, Usual(20, 0.01, 0.02), False)],
)  # fmt: skip
def test_slow_is_what_is_beyond_the_95th_percentile_of_enough_boots_and_is_noticed(
    lasted: float, usual: Usual | None, slow: bool
) -> None:
    assert is_slow(lasted, usual) is slow


def test_a_slow_stage_is_told_in_words() -> None:
    (tftp,) = (one for one in steps(boot(), events(*PC), {"iscsi": USUAL}) if one.stage == "iscsi")
    assert tftp.figure == "20 s"
    assert tftp.words == "usually 4.0 s (95 % within 6.0 s), slower than 95 % of its boots"


def test_where_a_boot_stopped_nothing_is_compared() -> None:
    row = boot("failed", 60, stage=Stage.TFTP)
    last = steps(row, events(*PC[:3]), {"tftp": USUAL})[-1]
    assert (last.status, last.is_slow) == ("failed", False)
    assert last.figure == "59 s, stopped here"
    assert last.words == "usually 4.0 s (95 % within 6.0 s)"


def test_a_boot_that_failed_is_drawn_until_it_was_last_heard_of() -> None:
    row = boot("failed", 600, stage=Stage.DHCP)
    row.last_event_at = START
    (only,) = steps(row, events(("dhcp", "discover", 0)))
    assert (only.lasted_seconds, only.figure) == (0, "stopped here")
    assert whole_of(row, None, None).lasted_seconds == 0


def test_a_whole_boot_is_compared_once_its_system_runs() -> None:
    assert whole_of(boot(seconds=40), USUAL, None).is_slow
    assert not whole_of(boot(Outcome.FAILED, 40), USUAL, None).is_slow
    assert not whole_of(boot("", 40), USUAL, None).is_slow
    model = whole_of(boot(seconds=40), None, USUAL)
    assert model.words == "this model 4.0 s (95 % within 6.0 s), slower than 95 % of its model's boots"


def test_bars_stand_under_one_scale_with_what_is_usual() -> None:
    row = boot(seconds=100)
    drawing = draw(
        whole_of(row, Usual(20, 50, 80), None), steps(row, events(("dhcp", "x", 0), ("os", "y", 50)))
    )
    whole, dhcp, system = drawing.rows
    assert (dhcp.left, system.left) == (0, pytest.approx(49.02))
    assert whole.usual_left == pytest.approx(49.02)
    assert whole.usual_width == pytest.approx(29.41)
    assert [row.top for row in drawing.rows] == sorted({row.top for row in drawing.rows})
    assert (drawing.has_usual, drawing.has_model) == (True, False)


@given(st.lists(st.floats(0, 5000), min_size=5, max_size=5), st.floats(0, 5000), st.floats(0, 9999))
def test_nothing_leaves_the_drawing(seconds: list[float], until: float, median: float) -> None:
    row = boot(seconds=until)
    stages = ["dhcp", "tftp", "script", "iscsi", "os"]
    rows = events(*sorted(zip(stages, ["x"] * 5, seconds, strict=True), key=lambda one: one[2]))
    usual = dict.fromkeys(stages, Usual(20, median, 2 * median))
    drawing = draw(whole_of(row, USUAL, USUAL), steps(row, rows, usual))
    for drawn in drawing.rows:
        assert 0 <= drawn.left <= 100
        assert 0 < drawn.width <= 100.01 - drawn.left
        assert drawn.usual_left is not None
        assert 0 <= drawn.usual_left <= 100.01 - drawn.usual_width
        assert all(0 <= at <= 100 for at in drawn.moments)
    assert drawing.height == drawing.rows[-1].top + drawing.rows[-1].height + 22


@given(st.floats(0.001, 10_000_000))
def test_the_scale_has_a_readable_number_of_marks(total: float) -> None:
    assert 1 <= len(ticks_of(total)) <= 61


@pytest.mark.parametrize(
    ("total", "last"), [(0.5, "0.5 s"), (42, "40 s"), (500, "8 min"), (30_000, "8 h"), (90, "90 s")]
)
def test_the_scale_is_told_in_round_units(total: float, last: str) -> None:
    assert ticks_of(total)[-1][1] == last
