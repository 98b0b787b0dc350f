"""What lies under the TFTP root for Raspberry Pis, and what is to be done so that it does. Pure functions.

.store/<sha256>            each content once
.sets/<digest>/...         the files of one state of a kernel set: hard links into .store
.trees/<mac>-<digest>/     what one device boots: links to its set's files, and its own config and line
<serial8>  <aa-bb-...>     names under which firmware asks for a tree: links to it
start4.elf  bootcode.bin   what a Pi that is not known yet asks for: links to the waiting system
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from netboot_site.formats import mac_hex

STORE, SETS, TREES, WAITING, ASIDE = ".store", ".sets", ".trees", ".waiting", ".aside"
CONFIG, CMDLINE = "config.txt", "cmdline.txt"
OUR_FOLDERS = (STORE, SETS, TREES)
# Where our links lead; what leads elsewhere, or is no link, is somebody else's.
OUR_TARGETS = (f"{STORE}/", f"{SETS}/", f"{TREES}/", f"{WAITING}/")
# Rewrite a Pi's bootloader, for ever; or are not for the network at all.
_BOOTLOADER = re.compile(
    r"recovery.*\.(bin|elf|img)|recover4?\.(elf|bin)|pieeprom\..*|vl805\..*|bootloader\..*", re.IGNORECASE
)
UPDATE_FILES = ("pieeprom.upd", "recovery.bin")  # one of them makes an update
Digest = str


def is_bootloader_file(path: str) -> bool:
    """Whether a file is one that no set gives away by itself."""
    return bool(_BOOTLOADER.fullmatch(path.rpartition("/")[2]))


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files of one state of a kernel set: contents by path.

    `linked` is what a tree has always, `update` what it has while its device's bootloader is to be rewritten.
    """

    linked: Mapping[str, Digest]
    update: Mapping[str, Digest]
    digest: str

    @classmethod
    def of(cls, files: Mapping[str, Digest]) -> FileSet:
        """All that can lie in one folder of these: of a file and a folder with one name, the file.

        Firmware asks in small letters, whatever a FAT's names are.
        """
        sound = {path: files[path] for path in sorted(files) if _is_sound(path, files)}
        lowered = {path.lower(): sha256 for path, sha256 in sound.items() if path != path.lower()}
        whole = {**{path: lowered[path] for path in lowered if _is_sound(path, sound)}, **sound}
        linked = {path: sha256 for path, sha256 in whole.items() if not is_bootloader_file(path)}
        update = {path: whole[path] for path in whole.keys() - linked.keys() if "/" not in path}
        return cls(linked, update, _digest(f"{path}\0{linked[path]}" for path in sorted(linked)))


@dataclass(frozen=True, slots=True)
class Tree:
    """What one device boots: a set, files written for it alone, and contents besides the set's.

    `digest` is of all that it holds, and `name` its folder.
    """

    mac: str
    file_set: FileSet
    written: Mapping[str, str]
    extra: Mapping[str, Digest]
    digest: str
    name: str

    @classmethod
    def of(
        cls,
        mac: str,
        file_set: FileSet,
        written: Mapping[str, str],
        extra: Mapping[str, Digest] | None = None,
    ) -> Tree:
        """With its digest and its name."""
        own = (f"{path}\0{text}" for path, text in sorted(written.items()))
        more = (f"{path}\0{sha256}" for path, sha256 in sorted((extra or {}).items()))
        digest = _digest([file_set.digest, *own, *more])
        return cls(mac, file_set, written, extra or {}, digest, f"{mac_hex(mac)}-{digest}")


@dataclass(frozen=True, slots=True)
class Desired:
    """All that should be there. `names` lead to trees and to files of the common root."""

    trees: Mapping[str, Tree]
    names: Mapping[str, str]
    sets: Mapping[str, FileSet]

    @classmethod
    def of(cls, trees: Iterable[Tree], names: Mapping[str, str], further: Iterable[FileSet] = ()) -> Desired:
        """With the sets that the trees are of, and further ones."""
        by_name = {tree.name: tree for tree in trees}
        sets = (*(tree.file_set for tree in by_name.values()), *further)
        return cls(by_name, names, {one.digest: one for one in sets})


@dataclass(slots=True)
class Observed:
    """What was seen to be there and whole.

    `names`: where each of our links leads, by its name. `uses`: the sets of trees that are not wanted.
    """

    store: set[str] = field(default_factory=set)
    sets: set[str] = field(default_factory=set)
    trees: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    uses: dict[str, set[str]] = field(default_factory=dict)
    strays: set[str] = field(default_factory=set)  # in our folders, and nothing whole of ours


@dataclass(frozen=True, slots=True)
class Unlink:
    """A name is not served any more."""

    name: str


@dataclass(frozen=True, slots=True)
class Store:
    """Bring a content from the database."""

    sha256: str


@dataclass(frozen=True, slots=True)
class MakeSet:
    """Make a set's folder; its contents are there."""

    file_set: FileSet


@dataclass(frozen=True, slots=True)
class MakeTree:
    """Make a device's folder; its set is there."""

    tree: Tree


@dataclass(frozen=True, slots=True)
class Link:
    """Let a name lead to a tree or a file, in one step from where it led before."""

    name: str
    target: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Take away what nothing names: `.trees/...`, `.sets/...`, `.store/...`."""

    path: str


Action = Unlink | Store | MakeSet | MakeTree | Link | Remove


def plan(desired: Desired, observed: Observed, spent: Collection[str] = ()) -> list[Action]:
    """What is to be done, in this order: what is not to be served goes first, what is old goes last.

    `spent`: what has been needless for so long that it may go.
    """
    actions: list[Action] = [Unlink(name) for name in sorted(observed.names) if name not in desired.names]
    owners = {mac_hex(tree.mac) for tree in desired.trees.values()}
    removed = sorted(needless(desired, observed))
    actions += [Remove(path) for path in removed if _is_of_nobody(path, owners)]
    actions += _making(desired, observed)
    return actions + [Remove(path) for path in removed if path in spent and not _is_of_nobody(path, owners)]


def needless(desired: Desired, observed: Observed) -> set[str]:
    """What is there and not wanted, by its path. What a name still leads to is not needless."""
    contents = {sha256 for one in desired.sets.values() for sha256 in one.linked.values()}
    contents |= {sha256 for tree in desired.trees.values() for sha256 in tree.extra.values()}
    targets = (target for name, target in observed.names.items() if name in desired.names)
    served = {target.removeprefix(f"{TREES}/") for target in targets} & observed.trees
    stale = served - desired.trees.keys()
    used = set().union(*(observed.uses.get(tree, observed.sets) for tree in stale))
    wanted = {
        *(f"{TREES}/{name}" for name in (*desired.trees, *served)),
        *(f"{SETS}/{digest}" for digest in (*desired.sets, *used)),
        *(f"{STORE}/{sha256}" for sha256 in contents),
    }
    there = {
        *observed.strays,
        *(f"{TREES}/{name}" for name in observed.trees),
        *(f"{SETS}/{digest}" for digest in observed.sets),
        *(f"{STORE}/{sha256}" for sha256 in observed.store),
    }
    return there - wanted


def serial_name(serial: str) -> str:
    """What firmware asks below: the last eight digits; empty if there is no serial."""
    digits = serial.lower()
    return digits[-8:] if re.fullmatch(r"[0-9a-f]{8}([0-9a-f]{8})?", digits) else ""


def mac_name(mac: str) -> str:
    """What firmware asks below with TFTP_PREFIX=2."""
    return mac.replace(":", "-")


def _is_of_nobody(path: str, owners: Collection[str]) -> bool:
    """What a device had that has no tree any more goes at once: it holds a secret."""
    folder, _, name = path.partition("/")
    return folder == TREES and name.partition("-")[0] not in owners


def _making(desired: Desired, observed: Observed) -> Iterable[Action]:
    """Tree after tree, each with what it needs and then its names; at last what else names lead to."""
    stored, sets, trees = set(observed.store), set(observed.sets), set(observed.trees)
    links: dict[str, list[Action]] = defaultdict(list)
    for name, target in sorted(desired.names.items()):
        if observed.names.get(name) != target:
            links[target.removeprefix(f"{TREES}/")].append(Link(name, target))
    for name, tree in sorted(desired.trees.items()):
        yield from _making_set(tree.file_set, tree.extra, stored, sets)
        if name not in trees:
            yield MakeTree(tree)
        yield from links.pop(name, ())
    for file_set in desired.sets.values():
        yield from _making_set(file_set, {}, stored, sets)
    for rest in links.values():
        yield from rest


def _making_set(
    file_set: FileSet, extra: Mapping[str, Digest], stored: set[str], sets: set[str]
) -> Iterable[Action]:
    """What is missing of a set and of contents beside it; notes what will be there then."""
    if file_set.digest in sets and stored.issuperset(extra.values()):
        return
    contents = {*(file_set.linked.values() if file_set.digest not in sets else ()), *extra.values()}
    for sha256 in sorted(contents - stored):
        yield Store(sha256)
    stored |= contents
    if file_set.digest not in sets:
        yield MakeSet(file_set)
        sets.add(file_set.digest)


def _is_sound(path: str, files: Mapping[str, Digest]) -> bool:
    """Whether a path stays in its folder, and no file is where it has a folder."""
    parts = path.split("/")
    folders = ("/".join(parts[:count]) for count in range(1, len(parts)))
    return (
        all(part and part not in {".", ".."} and len(part.encode()) <= 255 for part in parts)
        and path.isprintable()
        and not any(folder in files for folder in folders)
    )


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
