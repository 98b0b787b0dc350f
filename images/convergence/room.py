"""What convergence leaves alone while a node's file system is nearly full. Pure.

`images.room` pauses the processes that serve layers then, whenever it sees that, and tgtd would stand still
with all of its disks if it opened or closed the file of a paused one. So none is opened while there is hardly
room, and one that has to go is ended before tgtd lets go of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from images.convergence.facts import Door, Observed
from images.ports import Served, Target
from images.room import Limits

PAUSED = "Its storage node has no room for what it writes; it goes on when there is some."


def is_short(observed: Observed) -> bool:
    """Whether a process that serves a layer may be paused at any moment, or is."""
    room = observed.room
    return room is not None and room.free_bytes < Limits.of(room.reserve_bytes).resume_from


def is_paused(door: Door, observed: Observed) -> bool:
    """Whether the disk of a door waits."""
    served = observed.serving(door.served_as) if door.served_as else None
    return served is not None and served.paused


def may_stand_still(target: Target, observed: Observed) -> Iterator[Served]:
    """What a target exports that is paused, or may be while the target is deleted."""
    for lun in target.luns:
        served = observed.served_paths.get(lun.path)
        if served is not None and served.alive and (served.paused or is_short(observed)):
            yield served
