"""Where a boot's time went. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bootflow.decision import ProveIdentity, Situation, Wait, decide
from bootflow.recorder.story import Seen

_ASKING = ("script", "check-in")


def own_seconds(events: Sequence[Seen], *, mac: str) -> float:
    """How long a machine has waited for us: our answers' own time, and the time until its disk was ready.

    Its firmware's and its loader's time, and a wait for a person, are not ours.
    """
    # A Pi's file has the time since the step before, its firmware's own included: no answer's time.
    ours = (event for event in events if "role" not in event.facts)
    answers = sum(float(event.facts.get("seconds", 0)) for event in ours)
    return round(answers + _waiting_seconds(events, mac), 3)


def _waiting_seconds(events: Sequence[Seen], mac: str) -> float:
    asked = [event for event in events if event.kind in _ASKING and "plan" in event.facts]
    seconds = 0.0
    for event, following in pairwise(asked):
        if isinstance(decide(Situation.from_facts(mac, event.facts["plan"])), Wait | ProveIdentity):
            seconds += (following.at - event.at).total_seconds()
    return seconds
