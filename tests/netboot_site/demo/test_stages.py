"""A boot told as lines and as a summary."""

from __future__ import annotations

from typing import Any

from netboot_site.demo.stages import Story, stage_seconds, summary


def boot(*events: tuple[str, float, str], outcome: str | None = "ok") -> dict[str, Any]:
    rows = [
        {"stage": stage, "elapsed_seconds": seconds, "detail": detail, "at": f"at {seconds}"}
        for stage, seconds, detail in events
    ]
    return {"id": 1, "outcome": outcome, "own_seconds": 0.123, "events": rows}


def test_each_event_is_told_once() -> None:
    story = Story()
    first = list(story.news(boot(("dhcp", 0.0, "asked for an address"))))
    assert first == ["     0.00 s  dhcp    asked for an address"]
    both = boot(("dhcp", 0.0, "asked for an address"), ("script", 12.34, "boots nbdemo"))
    assert list(story.news(both)) == ["    12.34 s  script  boots nbdemo"]
    assert list(story.news(both)) == []


def test_two_events_alike_at_different_times_are_two() -> None:
    twice = boot(("script", 1.0, "waits"), ("script", 4.0, "waits"))
    assert len(list(Story().news(twice))) == 2


def test_a_stage_counts_from_its_first_event() -> None:
    seen = boot(("dhcp", 0.0, "a"), ("script", 5.0, "b"), ("script", 9.0, "c"), ("os", 20.0, "d"))
    assert stage_seconds(seen) == {"dhcp": 0.0, "script": 5.0, "os": 20.0}


def test_the_summary_holds_outcome_stages_and_our_own_part() -> None:
    text = " ".join(summary(boot(("dhcp", 0.0, ""), ("os", 21.04, "")), total_seconds=61.6))
    assert "Outcome: ok." in text
    assert "dhcp 0.0 s, os 21.0 s" in text
    assert "waited 123 ms for the orchestrator" in text
    assert "took 62 s" in text


def test_a_boot_that_goes_on_is_in_progress() -> None:
    assert "in progress" in summary(boot(outcome=None), total_seconds=1)[0]
