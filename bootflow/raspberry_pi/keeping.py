"""Keeps the trees of Raspberry Pis under the TFTP root as rows want them. Safe to run at any time.

Most rounds find that nothing has changed, and cost a few queries and four looks at folders. The whole root is
looked at when we start, when somebody touched it, and every LOOK_PERIOD_SECONDS.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bootflow.raspberry_pi.choosing import Memory, Place, Wanted, choose_all
from bootflow.raspberry_pi.folder import TftpFolder
from bootflow.raspberry_pi.image_sets import keep_image_sets
from bootflow.raspberry_pi.rows import Contents, ContentsCache, Partition, SetRow, Snapshot, load
from bootflow.raspberry_pi.telling import tell
from bootflow.raspberry_pi.trees import (
    SETS,
    STORE,
    TREES,
    WAITING,
    Action,
    Desired,
    FileSet,
    Link,
    MakeSet,
    MakeTree,
    Observed,
    Remove,
    Store,
    Unlink,
    needless,
    plan,
)
from bootflow.raspberry_pi.updates import take_back_updates
from netboot_site.errors import OrchestratorError, UnavailableError

logger = logging.getLogger(__name__)
LOOK_PERIOD_SECONDS = 30.0
RETRY_SECONDS = 5.0
GRACE_SECONDS = 300.0  # a Pi that is just fetching its files has them all by then
ROUND_SECONDS = 10.0  # then dnsmasq has its turn; what is left is done in the next round
BOOTCODE = "bootcode.bin"
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
Clock = Callable[[], float]
Waiting = Callable[[], Path]


class TreeKeeper:
    """What one host remembers from round to round; without it, it looks again."""

    def __init__(self, root: Path, place: Place, waiting: Waiting, clock: Clock = time.monotonic) -> None:
        self.folder = TftpFolder(root)
        self.place, self.waiting, self.clock = place, waiting, clock
        self.cache = ContentsCache()
        self.observed = Observed()
        self._needless: dict[str, float] = {}  # since when
        self._looked_at: float | None = None
        self._stamp: Any = None
        self._rows: Snapshot | None = None
        self._memory: Memory = {}
        self._waiting = self._served_waiting = self._waiting_trouble = self._trouble = ""
        self._goes_on_at: float | None = None  # with what could not be done, or not yet

    def round(self) -> str:
        """Look, mend, tell; what troubles us (empty: nothing)."""
        rows, look = load(), self._look_is_due() or self._waiting_has_come()
        updating = [device["pk"] for device in rows.devices if device["boot_plan__bootloader_update"]]
        if keep_image_sets(rows) or (updating and take_back_updates(updating)):
            rows = load()
        if look or rows != self._rows or self._is_unfinished():
            self._trouble = self._converge(rows, look=look)
            self._rows = rows
            self._stamp = self.folder.stamp()
        return self._trouble

    def _look_is_due(self) -> bool:
        late = self._looked_at is None or self.clock() - self._looked_at >= LOOK_PERIOD_SECONDS
        return late or self.folder.stamp() != self._stamp

    def _waiting_has_come(self) -> bool:
        """It is built beside our rounds, and Pis that nobody knows ask for it."""
        if not self._waiting:
            self._look_for_waiting()
        return self._waiting != self._served_waiting

    def _is_unfinished(self) -> bool:
        return self._goes_on_at is not None and self.clock() >= self._goes_on_at

    def _converge(self, rows: Snapshot, *, look: bool) -> str:
        troubles: dict[str, str] = {}
        self._goes_on_at = None
        try:
            wanted = self._make(rows, troubles, look=look)
        except (OSError, OrchestratorError) as error:
            troubles[""] = _words(error)
            self._looked_at, wanted = None, []
        else:
            tell(rows, wanted, self.observed, troubles)
        self.cache.forget_unused()
        return " ".join(dict.fromkeys(troubles.values()))

    def _make(self, rows: Snapshot, troubles: dict[str, str], *, look: bool) -> list[Wanted]:
        if look:
            self.folder.prepare()
            self._look_for_waiting()
        if self._waiting_trouble:
            troubles[WAITING] = self._waiting_trouble
        root, self._served_waiting = self._root_names(), self._waiting
        root_set = None if BOOTCODE in root else self._root_set(rows)
        wanted = choose_all(rows, self._contents, self.place, root, self._memory)
        desired = desired_of(wanted, root, root_set)
        if look:
            self.observed = self.folder.look(desired)
            self._looked_at = self.clock()
        self._apply(plan(desired, self.observed, self._spent(desired)), troubles)
        self._spent(desired)  # from now on
        return wanted

    def _contents(self, row: Partition | SetRow) -> Contents:
        return self.cache.of_partition(row) if isinstance(row, Partition) else self.cache.of_set(row)

    def _apply(self, actions: Iterable[Action], troubles: dict[str, str]) -> None:
        """Carry out one after the other. What one set or tree suffers is its own; the rest goes on."""
        until = self.clock() + ROUND_SECONDS
        failed: set[str] = set()
        for action in actions:
            if self.clock() > until:
                self._goes_on_at = self.clock()
                return
            if failed & _needs(action):
                failed |= _makes(action)
                continue
            try:
                self._carry_out(action)
            except (OSError, OrchestratorError) as error:
                logger.warning("%s failed: %s", type(action).__name__, error)
                failed |= _makes(action)
                troubles[next(iter(_makes(action)), "")] = _words(error)
                self._goes_on_at = self.clock() + RETRY_SECONDS

    def _carry_out(self, action: Action) -> None:
        folder, seen = self.folder, self.observed
        match action:
            case Unlink(name):
                folder.unlink(name)
                seen.names.pop(name, None)
            case Store(sha256):
                folder.store(sha256)
                seen.store.add(sha256)
                seen.strays.discard(f"{STORE}/{sha256}")
            case MakeSet(file_set):
                folder.make_set(file_set)
                seen.sets.add(file_set.digest)
                seen.strays.discard(f"{SETS}/{file_set.digest}")
            case MakeTree(tree):
                folder.make_tree(tree)
                seen.trees.add(tree.name)
                seen.strays.discard(f"{TREES}/{tree.name}")
            case Link(name, target):
                folder.link(name, target)
                seen.names[name] = target
            case Remove(path):
                folder.remove(path)
                _forget(seen, path)

    def _spent(self, desired: Desired) -> set[str]:
        """What has been needless for longer than a Pi takes to fetch its files."""
        now, paths = self.clock(), needless(desired, self.observed)
        self._needless = {path: self._needless.get(path, now) for path in paths}
        return {path for path, since in self._needless.items() if now - since >= GRACE_SECONDS}

    def _look_for_waiting(self) -> None:
        self._waiting = self._waiting_trouble = ""
        try:
            self._waiting = self.waiting().name
        except UnavailableError as error:
            self._waiting_trouble = str(error)

    def _root_names(self) -> dict[str, str]:
        """What a Pi that nobody knows finds, and where it leads."""
        if not self._waiting:
            return {}
        place = self.folder.root / WAITING / self._waiting
        names = sorted(path.name for path in place.iterdir() if not path.name.startswith("."))
        return {name: f"{WAITING}/{self._waiting}/{name}" for name in names}

    def _root_set(self, rows: Snapshot) -> FileSet | None:
        """The set whose bootcode.bin stands in the root where there is no waiting system."""
        sets = (contents.file_set for contents in self._sets_by_merit(rows))
        return next((one for one in sets if BOOTCODE in one.linked), None)

    def _sets_by_merit(self, rows: Snapshot) -> Iterator[Contents]:
        for row in sorted(rows.sets.values(), key=lambda one: (not one.is_default, one.name)):
            partition = rows.shown_partition(row.image_id) if row.image_id else None
            if partition is not None and partition.is_ready:
                yield self._contents(partition)
            elif not row.image_id and row.stamp[0]:
                yield self._contents(row)


def desired_of(wanted: Iterable[Wanted], root: Mapping[str, str], root_set: FileSet | None) -> Desired:
    """All trees with their names, and the common root."""
    trees, names = [], dict(root)
    for one in wanted:
        if one.tree is not None:
            trees.append(one.tree)
            names |= dict.fromkeys(one.names, f"{TREES}/{one.tree.name}")
    if root_set is None:
        return Desired.of(trees, names)
    names[BOOTCODE] = f"{SETS}/{root_set.digest}/{BOOTCODE}"
    return Desired.of(trees, names, [root_set])


def _makes(action: Action) -> set[str]:
    match action:
        case Store(sha256):
            return {sha256}
        case MakeSet(file_set):
            return {file_set.digest}
        case MakeTree(tree):
            return {tree.name}
        case Link(name, _):
            return {name}
    return set()


def _needs(action: Action) -> set[str]:
    match action:
        case MakeSet(file_set):
            return set(file_set.linked.values())
        case MakeTree(tree):
            return {tree.file_set.digest, *tree.extra.values()}
        case Link(_, target):
            return {target.removeprefix(f"{TREES}/").removeprefix(f"{SETS}/").partition("/")[0]}
    return set()


def _forget(seen: Observed, path: str) -> None:
    folder, _, name = path.partition("/")
    seen.strays.discard(path)
    {TREES: seen.trees, SETS: seen.sets}.get(folder, seen.store).discard(name)


def _words(error: OSError | OrchestratorError) -> str:
    if isinstance(error, OrchestratorError):
        return str(error)
    if error.errno in _NO_ROOM:
        return "There is no room left for the files that Raspberry Pis boot from: make room on that disk."
    return f"Files for Raspberry Pis cannot be written: {(error.strerror or 'unknown reason').lower()}."
