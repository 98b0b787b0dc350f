"""Compares a target with its door, the target that should be. Pure.

A target is changed in two ways only: what is missing is added, and a target that is wrong is deleted (which
tgtd refuses, in one step, while somebody is logged in) and made anew. So nobody can log in between.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from images.convergence.actions import (
    Action,
    Allow,
    BindAccount,
    CreateAccount,
    CreateDisk,
    CreateTarget,
    DeleteAccount,
    DeleteTarget,
    DescribeDisk,
)
from images.convergence.facts import LUN, Desired, Door, LayerSeen, Observed, WantedLayer
from images.models import LayerState
from images.ports import Lun, Served, Target

OUR_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.[0-9a-f]{6}")
_LARGEST_TID = 2**31 - 1  # tgtd's tid is an int, and 0 is refused (tgtadm(8))


def is_ours(desired: Desired, target: Target) -> bool:
    """Whether its name is of our making; all others are left alone."""
    return target.iqn.startswith(f"{desired.prefix}:")


def image_of(desired: Desired, iqn: str) -> str:
    """The image that a target's name speaks of; an image's id holds no dot."""
    return iqn.removeprefix(f"{desired.prefix}:").partition(".")[0]


def tid_for(iqn: str, taken: set[int]) -> int:
    """A free target number, the same each time unless it is taken; it is taken from now on.

    tgtd derives a disk's NAA name from it, so a number that moved would rename the disk in its guest.
    """
    tid = zlib.crc32(iqn.encode()) % _LARGEST_TID + 1
    while tid in taken:
        tid = tid % _LARGEST_TID + 1
    taken.add(tid)
    return tid


def is_new(layer: WantedLayer, seen: LayerSeen | None) -> bool:
    """Whether its file is still to be made. A lost disk stays a lost disk."""
    return seen is None and layer.state == LayerState.CREATING


def is_sound(layer: WantedLayer, seen: LayerSeen | None) -> bool:
    """Whether its file is there, no shorter than it was last seen, and no larger than it should be."""
    return seen is not None and layer.seen_size_bytes <= seen.size_bytes <= layer.size_bytes


def serves(door: Door, served: Served | None, observed: Observed) -> bool:
    """Whether its disk is being served just as it should be."""
    return (
        served is not None
        and served.alive
        and served.writable
        and served.top == door.top.path
        and (seen := observed.files.get(door.top.pk)) is not None
        and seen.size_bytes == door.top.size_bytes
    )


def backing(door: Door, observed: Observed) -> str:
    """The plain file that its target is to export; nothing: there is none yet, or any more."""
    if not door.top.is_raw:
        served = observed.serving(door.served_as)
        return served.path if served is not None and serves(door, served, observed) else ""
    seen = observed.files.get(door.top.pk)
    return door.top.path if is_new(door.top, seen) or is_sound(door.top, seen) else ""


def is_dead(target: Target, observed: Observed) -> bool:
    """Whether the process behind its disk has ended, so that its initiators have lost it already."""
    found = [observed.served_paths.get(lun.path) for lun in target.luns]
    return bool(found) and all(served is not None and not served.alive for served in found)


def blocked(door: Door, target: Target | None, observed: Observed) -> bool:
    """Whether a change of this target waits for somebody to log out."""
    if target is None or not target.logins or is_dead(target, observed):
        return False
    return _foreign_login(door, target) or wrong(door, target, backing(door, observed))


def fits(door: Door, target: Target | None, observed: Observed) -> bool:
    """Whether the target is just as it should be."""
    path = backing(door, observed)
    if target is None or not path or len(target.luns) != 1:
        return False
    return (
        target.accounts == ((door.access.chap_username,) if door.access else ())
        and target.acl == ((door.access.initiator_name,) if door.access else ())
        and _right_disk(door, target.luns[0], path)
        and _described(door, target.luns[0])
    )


def fitting(desired: Desired, observed: Observed) -> frozenset[str]:
    """The names of all targets that are just as they should be."""
    targets = observed.targets
    return frozenset(door.iqn for door in desired.doors if fits(door, targets.get(door.iqn), observed))


def wrong(door: Door, target: Target, path: str) -> bool:
    """Whether it holds anything that should not be there (a thing that is only missing is not wrong)."""
    names = (door.access.chap_username,) if door.access else ()
    acl = (door.access.initiator_name,) if door.access else ()
    return (
        target.accounts not in {(), names}
        or target.acl not in {(), acl}
        or any(not _right_disk(door, lun, path) for lun in target.luns)
    )


def missing(door: Door, target: Target, path: str, known: frozenset[str]) -> Iterator[Action]:
    """What is to be added. Who may come in is told last, when the account guards the door."""
    key, tid = door.key, target.tid
    if not target.luns:
        yield CreateDisk(key, tid, door.disk(path))
    if not any(_described(door, lun) for lun in target.luns):
        yield DescribeDisk(key, tid, door.disk(path))
    if door.access is None:
        return
    if not target.accounts:
        if door.access.chap_username not in known:
            yield CreateAccount(key, door.access.chap_username, door.access.chap_secret)
        yield BindAccount(key, tid, door.access.chap_username)
    if not target.acl:
        yield Allow(key, tid, door.access.initiator_name)


def building(
    door: Door, target: Target | None, path: str, known: frozenset[str], taken: set[int], *, anew: bool
) -> Iterator[Action]:
    """From what there is of a target, none or one that is not wrong, to all of it."""
    if target is None:
        target, anew = Target(tid_for(door.iqn, taken), door.iqn), True
    if anew:
        yield CreateTarget(door.key, target.tid, target.iqn)
    yield from missing(door, target, path, known)


def deletion(key: str, target: Target, *, dead: bool, keep: str = "") -> Iterator[Action]:
    """A target goes, then the accounts that were bound to it alone."""
    yield DeleteTarget(key, target.tid, dead)
    for name in target.accounts:
        if name != keep and OUR_ACCOUNT.fullmatch(name):
            yield DeleteAccount(key, name)


def _described(door: Door, lun: Lun) -> bool:
    return lun.thin and lun.scsi_id == lun.serial == door.serial


def _right_disk(door: Door, lun: Lun, path: str) -> bool:
    return (
        (lun.number, lun.path, lun.size_mb, lun.backing) == (LUN, path, door.size_mb, "rdwr")
        and lun.online
        and not lun.readonly
    )


def _foreign_login(door: Door, target: Target) -> bool:
    return any(login.initiator_name != door.initiator_name for login in target.logins)
