"""The orchestrator's own part of a boot's time."""

from __future__ import annotations

import pytest

from bootflow.recorder.timing import own_seconds
from tests.bootflow.recorder.test_judge import DISK, ENROLLED, LOADED, seen, told

MAC = "52:54:00:00:00:01"
NOT_READY = {**ENROLLED, "disk": {**DISK, "ready": False}}


def test_a_boot_without_waiting_cost_only_our_answers() -> None:
    answered = seen(0, "dhcp", "discover", seconds=0.004)
    fetched = seen(9, "installer", "file", seconds=0.25)
    assert own_seconds([answered, *LOADED, fetched], mac=MAC) == 0.254


def test_the_time_until_the_disk_was_ready_is_ours() -> None:
    events = [*LOADED, told(3, NOT_READY), told(7.5, {**ENROLLED, "disk": DISK})]
    assert own_seconds(events, mac=MAC) == 4.5


def test_the_time_until_somebody_approved_it_is_not() -> None:
    events = [*LOADED, told(3, {"state": "discovered"}), told(600, {**ENROLLED, "disk": DISK})]
    assert own_seconds(events, mac=MAC) == 0


@pytest.mark.parametrize("facts", [{}, {"seconds": 0}])
def test_an_event_that_tells_no_time_costs_none(facts: dict[str, float]) -> None:
    assert own_seconds([seen(0, "dhcp", "discover", **facts)], mac=MAC) == 0
