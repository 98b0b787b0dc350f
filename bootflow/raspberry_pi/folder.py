"""The TFTP root on this host's disk, as far as Raspberry Pis are served from it.

Whatever somebody else put there is not followed: every folder of ours is looked at without going through
links, and what is made is made beside its place and then renamed into it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from bootflow.raspberry_pi.trees import (
    ASIDE,
    OUR_FOLDERS,
    OUR_TARGETS,
    SETS,
    STORE,
    TREES,
    Desired,
    FileSet,
    Observed,
    Tree,
)
from images.models import PART_BYTES
from images.services.blobs import blob_pieces
from netboot_site.errors import OrchestratorError, UnavailableError

Stamp = tuple[int, int, int]
_DRAFT = ".new-"


class TftpFolder:
    """Looks at the folder, and carries out what is planned. Errors are OSError or UnavailableError."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, Stamp] = {}  # contents that were read and found whole, as they lay then

    def stamp(self) -> tuple[Stamp | None, ...]:
        """Changes when an entry comes or goes in the root or in one of our folders."""
        return tuple(_stamp(self.root / name) for name in (".", *OUR_FOLDERS))

    def prepare(self) -> None:
        """Our folders are there, and are folders."""
        self.root.mkdir(parents=True, exist_ok=True)
        for name in OUR_FOLDERS:
            path = self.root / name
            if not _is_folder(path):
                self._put_aside(name)
                path.mkdir(mode=0o750 if name == TREES else 0o755)

    def look(self, desired: Desired) -> Observed:
        """What of it all is there and whole; a content that is not known yet is read."""
        seen = Observed(names=dict(self._names(desired.names)))
        inodes = dict(self._contents(seen))
        for name, is_whole in self._entries(SETS, seen):
            file_set = desired.sets.get(name)
            whole = is_whole and (file_set is None or self._set_is_whole(file_set, inodes))
            (seen.sets if whole else seen.strays).add(name if whole else f"{SETS}/{name}")
        for name, is_whole in self._entries(TREES, seen):
            tree = desired.trees.get(name)
            whole = is_whole and (tree is None or self._tree_is_whole(tree))
            (seen.trees if whole else seen.strays).add(name if whole else f"{TREES}/{name}")
            if whole and tree is None:
                seen.uses[name] = self._sets_of(name)
        return seen

    def store(self, sha256: str) -> None:
        """Bring a content from the database. Raises UnavailableError if it is not what its name says."""
        draft, path = self._draft(STORE, sha256), self.root / STORE / sha256
        try:
            if _write_blob(draft, sha256) != sha256:
                raise UnavailableError("A boot file in the database is damaged; read or upload it anew.")
            self._move_in(draft, path)
        except (OSError, OrchestratorError):
            draft.unlink(missing_ok=True)  # where room is short it must not keep any
            raise
        self._known[sha256] = _stamp(path) or (0, 0, 0)

    def make_set(self, file_set: FileSet) -> None:
        """Link a set's contents into a folder of its own."""
        draft = self._draft(SETS, file_set.digest)
        draft.mkdir(mode=0o755)
        for path, sha256 in file_set.linked.items():
            place = draft / path
            place.parent.mkdir(parents=True, exist_ok=True)
            os.link(self.root / STORE / sha256, place, follow_symlinks=False)
        self._move_in(draft, self.root / SETS / file_set.digest)

    def make_tree(self, tree: Tree) -> None:
        """Write what is a device's own, and link the rest."""
        draft = self._draft(TREES, tree.name)
        draft.mkdir(mode=0o750)
        for path, text in tree.written.items():
            _write_private(draft / path, text)
        for path, target in _links_of(tree).items():
            place = draft / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target)
        self._move_in(draft, self.root / TREES / tree.name)

    def link(self, name: str, target: str) -> None:
        """Let a name of the root lead somewhere, in one step."""
        place, draft = self.root / name, self.root / f"{_DRAFT}{name}"
        draft.unlink(missing_ok=True)
        draft.symlink_to(target)
        if not place.is_symlink() and place.exists():
            self._put_aside(name)
        draft.replace(place)

    def unlink(self, name: str) -> None:
        """Take a link of ours away."""
        (self.root / name).unlink(missing_ok=True)

    def remove(self, path: str) -> None:
        """Take something in one of our folders away, whatever it is."""
        _remove(self.root / path)
        self._known.pop(path.removeprefix(f"{STORE}/"), None)

    def _draft(self, folder: str, name: str) -> Path:
        """A place beside, free of what a killed process may have left there."""
        draft = self.root / folder / f"{_DRAFT}{name}"
        _remove(draft)
        return draft

    def _move_in(self, draft: Path, path: Path) -> None:
        """A rename replaces a file by a file, and nothing else."""
        if os.path.lexists(path) and (_is_folder(path) or _is_folder(draft)):
            old = path.with_name(f".old-{path.name}")
            _remove(old)
            path.rename(old)
            draft.rename(path)
            _remove(old)
        else:
            draft.replace(path)

    def _put_aside(self, name: str) -> None:
        """What somebody put where ours belongs is kept, out of the way."""
        path, aside = self.root / name, self.root / ASIDE
        if not os.path.lexists(path):
            return
        if not _is_folder(aside):
            aside.unlink(missing_ok=True)
            aside.mkdir(mode=0o750)
        free = (aside / f"{name}.{number}" for number in range(1, 10_000))
        path.rename(next(place for place in free if not os.path.lexists(place)))

    def _names(self, wanted: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Links of the root that lead to where ours lead, and what stands in the place of one."""
        with os.scandir(self.root) as entries:
            for entry in entries:
                if entry.name.startswith(_DRAFT):
                    _remove(Path(entry.path))
                    continue
                target = str(Path(entry.path).readlink()) if entry.is_symlink() else ""
                if entry.name in wanted or target.startswith(OUR_TARGETS):
                    yield entry.name, target

    def _contents(self, seen: Observed) -> Iterator[tuple[str, int]]:
        """The inode of each content that is whole."""
        with os.scandir(self.root / STORE) as entries:
            for entry in entries:
                is_file = entry.is_file(follow_symlinks=False)
                if is_file and self._is_content(entry.name):
                    seen.store.add(entry.name)
                    yield entry.name, entry.inode()
                else:
                    seen.strays.add(f"{STORE}/{entry.name}")

    def _is_content(self, sha256: str) -> bool:
        """Whether a file is what its name says; it is read only if it is not the one that was read before."""
        path = self.root / STORE / sha256
        stamp = _stamp(path)
        if stamp is not None and self._known.get(sha256) == stamp:
            return True
        if _sha256(path) != sha256 or stamp is None:
            return False
        self._known[sha256] = stamp
        return True

    def _entries(self, folder: str, seen: Observed) -> Iterator[tuple[str, bool]]:
        """Names in one of our folders, and whether each is a folder that was finished."""
        with os.scandir(self.root / folder) as entries:
            for entry in entries:
                finished = entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
                yield entry.name, finished

    def _set_is_whole(self, file_set: FileSet, inodes: Mapping[str, int]) -> bool:
        found = _walk(self.root / SETS / file_set.digest)
        wanted = {path: inodes.get(sha256) for path, sha256 in file_set.linked.items()}
        return {path: entry.inode() for path, entry in found.items()} == wanted

    def _sets_of(self, tree_name: str) -> set[str]:
        """The sets that a tree of old leads into."""
        entries = _walk(self.root / TREES / tree_name).values()
        targets = (str(Path(entry.path).readlink()) for entry in entries if entry.is_symlink())
        return {target.partition(f"{SETS}/")[2].partition("/")[0] for target in targets}

    def _tree_is_whole(self, tree: Tree) -> bool:
        found = _walk(self.root / TREES / tree.name)
        links = {
            path: str(Path(entry.path).readlink()) for path, entry in found.items() if entry.is_symlink()
        }
        if links != _links_of(tree) or found.keys() - links.keys() != tree.written.keys():
            return False
        return all(_reads(found[path], text) for path, text in tree.written.items())


def _links_of(tree: Tree) -> dict[str, str]:
    """Each link of a tree and where it leads; a folder that holds something of the device's is made anew."""
    opened = {
        path[: at + 1] for path in (*tree.written, *tree.extra) for at, c in enumerate(path) if c == "/"
    }
    links: dict[str, str] = {}
    for path in tree.file_set.linked:
        place = _topmost(path, opened)
        if place not in tree.written:
            up = "../" * (place.count("/") + 2)
            links[place] = f"{up}{SETS}/{tree.file_set.digest}/{place}"
    for path, sha256 in tree.extra.items():
        links[path] = f"{'../' * (path.count('/') + 2)}{STORE}/{sha256}"
    return links


def _topmost(path: str, opened: set[str]) -> str:
    """The folder that can be one link with all that it holds, or the file itself."""
    at = path.find("/")
    while at >= 0:
        if path[: at + 1] not in opened:
            return path[:at]
        at = path.find("/", at + 1)
    return path


def _write_blob(path: Path, sha256: str) -> str:
    """Write a content to the disk; returns the digest of what came."""
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for piece in blob_pieces(sha256=sha256):
            digest.update(piece)
            file.write(piece)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
    return digest.hexdigest()


def _write_private(path: Path, text: str) -> None:
    """It may hold a secret: for dnsmasq's user, which is ours, alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode())


def _walk(folder: Path, prefix: str = "") -> dict[str, os.DirEntry[str]]:
    """Everything but folders, by its path; links are not followed."""
    found: dict[str, os.DirEntry[str]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found |= _walk(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                found[prefix + entry.name] = entry
    return found


def _reads(entry: os.DirEntry[str], text: str) -> bool:
    """Whether a file holds just this, and is closed to others."""
    status = entry.stat(follow_symlinks=False)
    data = text.encode()
    if not stat.S_ISREG(status.st_mode) or status.st_size != len(data) or status.st_mode & 0o007:
        return False
    return Path(entry.path).read_bytes() == data


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(PART_BYTES):
            digest.update(data)
    return digest.hexdigest()


def _stamp(path: Path) -> Stamp | None:
    with suppress(OSError):
        status = path.lstat()
        return status.st_ino, status.st_size, status.st_mtime_ns
    return None


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    """rmtree does not follow links."""
    if _is_folder(path):
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
