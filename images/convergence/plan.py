"""What to do, given what should be and what is. Pure: no clock, no file, no daemon, no database.

Steps are in groups (actions.py). What one group needs from another is planned when that has been seen, in a
later pass of the same round: so a step never relies on a neighbour that may fail.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from images.convergence.actions import (
    Action,
    AddPortal,
    DeleteAccount,
    DeletePortal,
    Serve,
    SetReady,
)
from images.convergence.disks import (
    OUR_SERVED,
    clear_the_way,
    demolish,
    make_ready,
    open_door,
    remove_layers,
    stop,
    tend_layers,
)
from images.convergence.doors import OUR_ACCOUNT, fitting, image_of, is_dead, is_ours
from images.convergence.draft import Draft
from images.convergence.facts import Desired, Door, Observed, Wanted
from images.models import ImageState
from images.ports import ServerView, Target

_STRAY = " "  # begins the groups of what belongs to no row; no image is called so


def plan(desired: Desired, observed: Observed) -> tuple[Action, ...]:
    """The steps that lead from what is to what should be, in order."""
    if observed.server is None:
        return tuple(_without_server(desired, observed))
    taken = {target.tid for target in observed.server.targets}
    strays, done = _strays(desired, observed), fitting(desired, observed)
    going = {want.image_id for want in desired.images if want.state == ImageState.DELETING}
    steps: list[Action] = []
    for want in desired.images:
        if want.image_id in going:
            draft = Draft(want.image_id, desired, observed)
            demolish(draft, want, strays.get(want.image_id, ()), desired, observed)
            steps += draft.steps
        else:
            steps += _image(want, desired, observed, taken, done)
    for door in desired.doors:
        if door.key != door.image_id and door.iqn not in done:
            steps += _overlay(door, desired, observed, taken)
    steps += _stray_targets(strays, going, desired, observed)
    steps += _stray_servers(desired, observed)
    steps += _stray_accounts(desired, observed.server)
    return tuple(_around(desired, observed.server, steps))


def _without_server(desired: Desired, observed: Observed) -> Iterator[Action]:
    """Files are still made."""
    for want in desired.images:
        if want.state != ImageState.DELETING:
            draft = Draft(want.image_id, desired, observed)
            tend_layers(draft, want, desired)
            yield from draft.steps


def _image(
    want: Wanted, desired: Desired, observed: Observed, taken: set[int], done: frozenset[str]
) -> list[Action]:
    """Its layers, and the door to its head, unless that is as it should be."""
    draft = Draft(want.image_id, desired, observed)
    door = desired.heads.get(want.image_id)
    if door is not None and door.iqn in done:
        door = None
    if door is not None:
        clear_the_way(draft, door, desired, observed)
    tend_layers(draft, want, desired)
    if door is not None:
        make_ready(draft, door, observed)
        open_door(draft, door, observed, taken)
    remove_layers(draft, want, desired, observed)
    return draft.steps


def _overlay(door: Door, desired: Desired, observed: Observed, taken: set[int]) -> list[Action]:
    """A device's own layer, and the door to it."""
    draft = Draft(door.key, desired, observed)
    clear_the_way(draft, door, desired, observed)
    make_ready(draft, door, observed)
    open_door(draft, door, observed, taken)
    return draft.steps


def _strays(desired: Desired, observed: Observed) -> dict[str, list[Target]]:
    """Targets of our name that no door wants, by the image they speak of."""
    found: dict[str, list[Target]] = defaultdict(list)
    for target in observed.targets.values():
        if target.iqn not in desired.doors_by_iqn and is_ours(desired, target):
            found[image_of(desired, target.iqn)].append(target)
    return found


def _stray_targets(
    strays: dict[str, list[Target]], going: set[str], desired: Desired, observed: Observed
) -> Iterator[Action]:
    """They go, with what is served behind them, unless somebody is logged in."""
    for image_id, targets in strays.items():
        for target in () if image_id in going else targets:
            if target.logins and not is_dead(target, observed):
                continue
            draft = Draft(_STRAY + target.iqn, desired, observed)
            draft.delete_target(target)
            for lun in target.luns:
                served = observed.served_paths.get(lun.path)
                if served is not None and _is_unwanted(served.name, desired):
                    stop(draft, served, observed)
            yield from draft.steps


def _stray_servers(desired: Desired, observed: Observed) -> Iterator[Action]:
    """What is served for an export that is no more, and that no target shows."""
    for served in (observed.served or {}).values():
        if _is_unwanted(served.name, desired) and not observed.exporters.get(served.path):
            draft = Draft(_STRAY + served.name, desired, observed)
            draft.stop(served)
            yield from draft.steps


def _is_unwanted(name: str, desired: Desired) -> bool:
    return name not in desired.served_names and OUR_SERVED.fullmatch(name) is not None


def _stray_accounts(desired: Desired, server: ServerView) -> Iterator[Action]:
    """Accounts of our making that nothing is bound to."""
    wanted = {door.access.chap_username for door in desired.doors if door.access}
    bound = {name for target in server.targets for name in target.accounts}
    for name in sorted(server.accounts - bound - wanted):
        if OUR_ACCOUNT.fullmatch(name):
            yield DeleteAccount(_STRAY, name)


def _around(desired: Desired, server: ServerView, steps: list[Action]) -> Iterator[Action]:
    """Portals first; a fresh server that is being filled answers "try again" instead of "no such disk"."""
    fresh = bool(steps) and not any(is_ours(desired, target) for target in server.targets)
    if fresh and server.ready:
        yield SetReady(ready=False)
    for portal in server.portals:
        if portal != desired.portal:
            yield DeletePortal(portal)
    if desired.portal and desired.portal not in server.portals:
        yield AddPortal(desired.portal)
    yield from steps
    # What is being served from now on gets its target in the next pass.
    more_to_come = fresh and any(isinstance(step, Serve) for step in steps)
    if (fresh or not server.ready) and not more_to_come:
        yield SetReady(ready=True)
