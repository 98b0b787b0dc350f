"""A boot as the REST API tells it, as lines for a person and as a summary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Boot = dict[str, Any]


class Story:
    """Tells each event of a boot once, as it comes."""

    def __init__(self) -> None:
        self._told: set[tuple[Any, ...]] = set()

    def news(self, boot: Boot) -> Iterator[str]:
        """The events that were not told yet, a line each."""
        for event in boot["events"]:
            key = (boot["id"], event["at"], event["stage"], event["detail"])
            if key not in self._told:
                self._told.add(key)
                yield f"  {event['elapsed_seconds']:7.2f} s  {event['stage']:<6}  {event['detail']}"


def stage_seconds(boot: Boot) -> dict[str, float]:
    """When each stage was first reached, in seconds since the boot's first sign."""
    reached: dict[str, float] = {}
    for event in boot["events"]:
        reached.setdefault(event["stage"], float(event["elapsed_seconds"]))
    return reached


def summary(boot: Boot, *, total_seconds: float) -> list[str]:
    """The boot in a few lines."""
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in stage_seconds(boot).items())
    return [
        f"Outcome: {boot['outcome'] or 'in progress'}. Reached, after the first sign of the PC: {stages}.",
        f"The machine waited {boot['own_seconds'] * 1000:.0f} ms for the orchestrator in all; "
        f"the demonstration took {total_seconds:.0f} s.",
    ]
