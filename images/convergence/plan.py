"""What to do, given what should be and what is. Pure: no clock, no file, no daemon, no database.

A target is changed in two ways only: what is missing is added, and a target that is wrong is deleted (which
tgtd refuses, in one step, while somebody is logged in) and made anew. So nobody can log in between.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from images.convergence.actions import (
    Action,
    AddPortal,
    Allow,
    BindAccount,
    CreateAccount,
    CreateDisk,
    CreateHead,
    CreateTarget,
    DeleteAccount,
    DeletePortal,
    DeleteTarget,
    DescribeDisk,
    GrowHead,
    RemoveFiles,
    RemoveHead,
    SetReady,
)
from images.convergence.facts import LUN, Desired, FilesSeen, Observed, Wanted
from images.models import ImageState
from images.ports import Lun, ServerView, Target

NO_FILES = FilesSeen()
OUR_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.[0-9a-f]{6}")
_LARGEST_TID = 2**31 - 1  # tgtd's tid is an int, and 0 is refused (tgtadm(8))
_STRAY = " "  # the group of what belongs to no image; no image is called so


def plan(desired: Desired, observed: Observed) -> tuple[Action, ...]:
    """The steps that lead from what is to what should be, in order."""
    server = observed.server
    if server is None:
        return tuple(step for want in desired.images for step in _head(want, observed))
    seen = observed.targets
    taken = {target.tid for target in server.targets}
    accounts = {want.access.chap_username for want in desired.images if want.access}
    steps: list[Action] = []
    for want in desired.images:
        steps += _head(want, observed)
        target = seen.get(want.iqn)
        made = _exported(want, observed)
        steps += (
            _wanted_target(want, target, server, taken) if made else _unwanted_target(want.image_id, target)
        )
        steps += _removals(want, target, observed)
    steps += _strays(desired, server, accounts)
    return tuple(_around(desired, server, steps))


def blocked(want: Wanted, target: Target | None) -> bool:
    """Whether a change of this target waits for somebody to log out."""
    if target is None or not target.logins:
        return False
    return _foreign_login(want, target) or _wrong(want, target)


def fits(want: Wanted, target: Target | None) -> bool:
    """Whether the target is just as it should be."""
    return target is not None and not _wrong(want, target) and not list(_missing(want, target, frozenset()))


def is_ours(desired: Desired, target: Target) -> bool:
    """Whether its name is of our making; all others are left alone."""
    return target.iqn.startswith(f"{desired.prefix}:")


def tid_for(iqn: str, taken: set[int]) -> int:
    """A free target number, the same each time unless it is taken; it is taken from now on.

    tgtd derives a disk's NAA name from it, so a number that moved would rename the disk in its guest.
    """
    tid = zlib.crc32(iqn.encode()) % _LARGEST_TID + 1
    while tid in taken:
        tid = tid % _LARGEST_TID + 1
    taken.add(tid)
    return tid


def _head(want: Wanted, observed: Observed) -> Iterator[Action]:
    """Its file. Only an image that is being created gets a new one: a lost disk stays a lost disk."""
    size = observed.files.get(want.image_id, NO_FILES).head_size_bytes
    if want.state == ImageState.CREATING and size is None:
        yield CreateHead(want.image_id, want.generation, want.size_bytes)
    elif size is not None and want.state != ImageState.DELETING and _may_grow(want, size):
        yield GrowHead(want.image_id, want.generation, want.size_bytes)


def _may_grow(want: Wanted, size: int) -> bool:
    return want.seen_size_bytes <= size < want.size_bytes


def sound(want: Wanted, files: FilesSeen) -> bool:
    """Whether its file is there, no shorter than it was last seen, and no larger than it should be."""
    size = files.head_size_bytes
    return size is not None and want.seen_size_bytes <= size <= want.size_bytes


def _exported(want: Wanted, observed: Observed) -> bool:
    """Whether it has a target: not without a sound file, and not when it is to go."""
    files = observed.files.get(want.image_id, NO_FILES)
    new = want.state == ImageState.CREATING and files.head_size_bytes is None
    return want.state != ImageState.DELETING and (new or sound(want, files))


def _wanted_target(
    want: Wanted, target: Target | None, server: ServerView, taken: set[int]
) -> Iterator[Action]:
    if blocked(want, target):
        return
    known = server.accounts
    if target is not None and _wrong(want, target):
        yield from _unwanted_target(
            want.image_id, target, keep=want.access.chap_username if want.access else ""
        )
        target = Target(target.tid, target.iqn)
        yield CreateTarget(want.image_id, target.tid, target.iqn)
    elif target is None:
        target = Target(tid_for(want.iqn, taken), want.iqn)
        yield CreateTarget(want.image_id, target.tid, target.iqn)
    yield from _missing(want, target, known)


def _missing(want: Wanted, target: Target, known: frozenset[str]) -> Iterator[Action]:
    """What is to be added. Who may come in is told last, when the account guards the door."""
    image_id, tid = want.image_id, target.tid
    if not target.luns:
        yield CreateDisk(image_id, tid, want.disk)
    if not any(_described(want, lun) for lun in target.luns):
        yield DescribeDisk(image_id, tid, want.disk)
    if want.access is None:
        return
    if not target.accounts:
        if want.access.chap_username not in known:
            yield CreateAccount(image_id, want.access.chap_username, want.access.chap_secret)
        yield BindAccount(image_id, tid, want.access.chap_username)
    if not target.acl:
        yield Allow(image_id, tid, want.access.initiator_name)


def _described(want: Wanted, lun: Lun) -> bool:
    disk = want.disk
    return lun.thin and (lun.scsi_id, lun.serial) == (disk.scsi_id, disk.serial)


def _wrong(want: Wanted, target: Target) -> bool:
    """Whether it holds anything that should not be there (a thing that is only missing is not wrong)."""
    names = {want.access.chap_username} if want.access else set()
    acl = {want.access.initiator_name} if want.access else set()
    return (
        bool(set(target.accounts) - names)
        or len(target.accounts) > 1
        or bool(set(target.acl) - acl)
        or any(not _right_disk(want, lun) for lun in target.luns)
    )


def _right_disk(want: Wanted, lun: Lun) -> bool:
    return (
        (lun.number, lun.path, lun.size_mb, lun.backing) == (LUN, want.path, want.size_mb, "rdwr")
        and lun.online
        and not lun.readonly
    )


def _foreign_login(want: Wanted, target: Target) -> bool:
    wanted = want.access.initiator_name if want.access else None
    return any(login.initiator_name != wanted for login in target.logins)


def _unwanted_target(image_id: str, target: Target | None, keep: str = "") -> Iterator[Action]:
    """Its target goes, then the accounts that were bound to it alone."""
    if target is None or target.logins:
        return
    yield DeleteTarget(image_id, target.tid)
    for name in target.accounts:
        if name != keep and OUR_ACCOUNT.fullmatch(name):
            yield DeleteAccount(image_id, name)


def _removals(want: Wanted, target: Target | None, observed: Observed) -> Iterator[Action]:
    """Files that nothing serves any more."""
    files = observed.files.get(want.image_id, NO_FILES)
    if want.state == ImageState.DELETING:
        if files.anything and not (target and target.logins):
            yield RemoveFiles(want.image_id)
    elif fits(want, target):
        for generation in files.superseded:
            yield RemoveHead(want.image_id, generation)


def _strays(desired: Desired, server: ServerView, accounts: set[str]) -> Iterator[Action]:
    """Targets of our name without an image, and accounts of our making that nothing is bound to."""
    known = {want.iqn for want in desired.images}
    for target in server.targets:
        if is_ours(desired, target) and target.iqn not in known:
            yield from _unwanted_target(_STRAY, target)
    bound = {name for target in server.targets for name in target.accounts}
    for name in sorted(server.accounts - bound - accounts):
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
    if fresh or not server.ready:
        yield SetReady(ready=True)
