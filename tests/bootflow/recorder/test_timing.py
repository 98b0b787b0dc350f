"""The orchestrator's own part of a boot's time."""

from __future__ import annotations

import pytest

from bootflow.recorder.story import Seen
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


STRANGER = {**ENROLLED, "disk": DISK, "identity": False}
READY = {**ENROLLED, "disk": DISK}
SUMS: dict[str, tuple[list[Seen], float]] = {
    "nothing": ([], 0),
    "a wait that has not ended": ([told(3, NOT_READY)], 0),
    "two waits in a row": ([told(3, NOT_READY), told(5, STRANGER), told(9, READY)], 6),
    "a wait, a person, a wait": (
        [told(0, NOT_READY), told(2, {"state": "discovered"}), told(50, NOT_READY), told(51, READY)], 3,
    ),
    "a menu and a local boot are not ours": ([told(0, ENROLLED), told(60, {"state": "disabled"})], 0),
    "other events between two questions do not end a wait": (
        [told(0, NOT_READY), seen(1, "script", "local"), told(4, READY)], 4,
    ),
    "an answer's own time and the wait": (
        [seen(0, "dhcp", "discover", seconds=0.25), told(1, NOT_READY), told(2.5, READY)], 1.75,
    ),
    "a check-in over REST ends a wait too": (
        [told(0, NOT_READY), seen(2, "script", "check-in", plan=READY), told(9, READY)], 2,
    ),
    "a question without its plan counts for nothing": (
        [told(0, NOT_READY), seen(2, "script", "script"), told(3, READY)], 3,
    ),
    "thousandths": ([seen(n, "tftp", "file", seconds=0.0004) for n in range(5)], 0.002),
}  # fmt: skip


@pytest.mark.parametrize("name", SUMS)
def test_the_sum_is_what_the_machine_waited_for_us(name: str) -> None:
    events, seconds = SUMS[name]
    assert own_seconds(events, mac=MAC) == seconds
