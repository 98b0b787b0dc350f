"""The steps for what stands behind a door, and for an image's layers. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from images.convergence.actions import RemoveFile, RemoveFolder
from images.convergence.doors import backing, blocked, building, is_dead, serves, wrong
from images.convergence.draft import Draft
from images.convergence.facts import Desired, Door, Observed, Wanted, WantedLayer
from images.convergence.room import is_paused, is_short
from images.models import LayerState
from images.ports import Served, Target

OUR_SERVED = re.compile(r"e\d+")


def clear_the_way(draft: Draft, door: Door, desired: Desired, observed: Observed) -> None:
    """What is there and should not be goes, unless somebody is logged in to it; a running disk moves on."""
    target, served = observed.target(door.iqn), observed.serving(door.served_as)
    if served is not None and _move_on(draft, door, served, desired, observed):
        return
    if target is not None and _must_go(door, target, observed):
        if target.logins and not is_dead(target, observed):
            return
        draft.delete_target(target, door)
    if served is not None and not serves(door, served, observed):
        stop(draft, served, observed)


def stop(draft: Draft, served: Served, observed: Observed) -> None:
    """End what no target exports any more."""
    if not any(draft.exists(target) for target in observed.exporters.get(served.path, ())):
        draft.stop(served)


def make_ready(draft: Draft, door: Door, observed: Observed) -> None:
    """Its top layer, of the right size, and the process that serves it."""
    if door.top.is_raw or serves(door, observed.serving(door.served_as), observed) or is_short(observed):
        return
    target = observed.target(door.iqn)
    if target is not None and draft.exists(target):
        return
    draft.create(door.top)
    draft.grow(door.top)
    draft.serve(door.served_as, door.top)


def open_door(draft: Draft, door: Door, observed: Observed, taken: set[int]) -> None:
    """Its target, over a file that no other target exports."""
    target, path = observed.target(door.iqn), backing(door, observed)
    if observed.server is None or not path or blocked(door, target, observed):
        return
    if not door.top.is_raw and (is_short(observed) or is_paused(door, observed)):
        return
    if any(other.iqn != door.iqn for other in observed.exporters.get(path, ())):
        return
    bare = Target(target.tid, target.iqn) if target is not None and not draft.exists(target) else None
    draft.steps += building(door, bare or target, path, observed.server.accounts, taken, anew=bool(bare))


def tend_layers(draft: Draft, want: Wanted, desired: Desired) -> None:
    """Files that should be there and are not, that are too small, or that are to be frozen."""
    for layer in want.layers:
        if layer.state == LayerState.DELETING:
            continue
        if layer.pk not in desired.door_layers:
            draft.create(layer)
            draft.grow(layer)
        draft.freeze(layer)


def remove_layers(draft: Draft, want: Wanted, desired: Desired, observed: Observed) -> None:
    """Files of layers that nothing needs, nobody writes to, and nothing stands on."""
    for layer in want.layers:
        if layer.state != LayerState.DELETING or layer.pk not in observed.files or observed.served is None:
            continue
        if not draft.writers(layer) and not _stood_on(layer, desired, observed):
            draft.steps.append(RemoveFile(draft.key, layer.path))


def demolish(
    draft: Draft, want: Wanted, targets: Iterable[Target], desired: Desired, observed: Observed
) -> None:
    """All of an image that is to go: its targets, what is served, its folder. In use it waits."""
    for target in targets:
        if target.logins and not is_dead(target, observed):
            return
        draft.delete_target(target)
    for layer in want.layers:
        for served in observed.served_tops.get(layer.path, ()):
            if OUR_SERVED.fullmatch(served.name):
                stop(draft, served, observed)
    needed = any(draft.writers(layer) or _clones(layer, desired) for layer in want.layers)
    if want.image_id in observed.folders and not needed and observed.served is not None:
        draft.steps.append(RemoveFolder(draft.key, want.image_id))


def _must_go(door: Door, target: Target, observed: Observed) -> bool:
    path = backing(door, observed)
    return not path or wrong(door, target, path) or is_dead(target, observed)


def _move_on(draft: Draft, door: Door, served: Served, desired: Desired, observed: Observed) -> bool:
    """Let the process that serves a layer under the wanted one go on with that; whether it can."""
    if not served.alive or served.paused or not served.writable:
        return False
    chain = list(desired.chain(door.top))
    index = next((n for n, layer in enumerate(chain) if layer.path == served.top), 0)
    present = observed.files.get(chain[index].pk)
    above = list(reversed(chain[:index]))
    if present is None or not above or not all(_can_take_over(layer, observed) for layer in above):
        return False
    target = observed.target(door.iqn)
    if present.size_bytes != door.top.size_bytes and not (target and target.logins):
        return False  # it is started anew with its new size
    for layer, under in zip(above, reversed(chain[1 : index + 1]), strict=True):
        draft.snapshot(served, layer, size_bytes=present.size_bytes)
        draft.freeze(under)
    return True


def _can_take_over(layer: WantedLayer, observed: Observed) -> bool:
    return layer.pk in observed.files or layer.state == LayerState.CREATING


def _stood_on(layer: WantedLayer, desired: Desired, observed: Observed) -> bool:
    children = desired.children.get(layer.pk, ())
    return any(child.state != LayerState.DELETING or child.pk in observed.files for child in children)


def _clones(layer: WantedLayer, desired: Desired) -> bool:
    """Whether another image stands on it."""
    return any(child.image_id != layer.image_id for child in desired.children.get(layer.pk, ()))
