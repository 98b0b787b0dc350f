"""DATA_PATH and each storage node: room, file system, layers, and where its target server listens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings

from netboot_site.doctor.findings import START, STORAGE, Finding, Subject, log_of
from netboot_site.doctor.place import Node, Place
from netboot_site.formats import GIB
from netboot_site.host import FileSystem, look_at_folder

_LEAST_BYTES = GIB // 2
_LEAST_SHARE = 0.05
_LEAST_FILES = 1000
_NETWORK_KINDS = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "9p",
    "fuse.sshfs",
    "ceph",
    "glusterfs",
    "fuse.glusterfs",
    "afs",
}
_PASSING_KINDS = {"tmpfs", "ramfs"}
_SIMPLE_KINDS = {"vfat", "exfat", "msdos", "ntfs", "ntfs3", "fuseblk"}
ROOM = Subject(
    "data-room", STORAGE, "Room below DATA_PATH",
    "PostgreSQL stops in the middle of its work when there is none, and writing disks pause.",
)  # fmt: skip
_KIND_WHY = (
    "Disks are sparse files that PostgreSQL's files lie beside: both need a file system that keeps them."
)
_USED = 'du -xh --max-depth=2 "${DATA_PATH:-var}" | sort -h | tail'
_MOVE = f"DATA_PATH=/a/folder/on/ext4/or/xfs {START}"


def read_data_path() -> FileSystem | None:
    """As this process sees it; None: it is not there. Raises OSError."""
    try:
        return look_at_folder(Path(settings.DATA_PATH))
    except FileNotFoundError:
        return None


def judge_data_path(seen: FileSystem | None) -> list[Finding]:
    """Its room and its kind. Pure."""
    if seen is None:
        return [ROOM.bad("The folder DATA_PATH is not there: the orchestrator has never run here.", START)]
    return [_judge_room(seen), judge_kind("data", "DATA_PATH", seen)]


def _judge_room(seen: FileSystem) -> Finding:
    free = f"{seen.free_bytes / GIB:.1f} of {seen.capacity_bytes / GIB:.0f} GiB are free"
    if seen.free_bytes < _LEAST_BYTES:
        return ROOM.bad(f"Only {free}.", _USED)
    if seen.free_files is not None and seen.free_files < _LEAST_FILES:
        return ROOM.bad(f"Only {seen.free_files} more files can be made, though {free}.", _USED)
    if seen.free_bytes < _LEAST_SHARE * seen.capacity_bytes:
        return ROOM.warning(f"Only {free}.", _USED)
    return ROOM.good(f"{free}.")


def judge_kind(key: str, name: str, seen: FileSystem) -> Finding:
    """What kind of file system a folder lies in. Pure."""
    subject = Subject(f"file-system-{key}", STORAGE, f"File system of {name}", _KIND_WHY)
    kind = seen.kind
    if kind in _PASSING_KINDS:
        return subject.bad(f"It is {kind}: everything is gone when this host restarts.", _MOVE)
    if kind in _SIMPLE_KINDS or seen.keeps_holes is False:
        what = f"It is {kind}, which keeps no holes: each disk takes its whole size at once."
        return subject.bad(what, _MOVE)
    if kind in _NETWORK_KINDS:
        what = (
            f"It is {kind}, a network file system: when its server is away, every disk and the database stop."
        )
        return subject.warning(what, _MOVE)
    if kind == "overlay":
        what = "It is a container's own layer: everything is gone when the container is made anew."
        return subject.warning(what, "docker run --volume /srv/netboot:/data --env DATA_PATH=/data ...")
    if seen.punches_holes is False:
        what = f"It is {kind}, which takes no room back that a machine frees (TRIM): disks only grow."
        return subject.warning(what, _MOVE)
    tried = " Holes are kept and made." if seen.keeps_holes and seen.punches_holes else ""
    return subject.good(f"It is {kind}.{tried}")


def judge_node(node: Node, *, has_overlays: bool) -> list[Finding]:
    """Its layers, portal and file system, as its worker told. Pure."""
    portal = Subject(
        f"portal-{node.name}", STORAGE, f"Portal of {node.name}",
        "tgtd listens on every address, to every network, when it cannot have the one that it is to have.",
    )  # fmt: skip
    if node.facts is None:
        what = "Its storage worker has not told what it sees for a minute."
        return [portal.unknown(what, log_of("worker-storage"))]
    return [
        _judge_portal(portal, node, node.facts.get("portals")),
        _judge_fuse(node, str(node.facts["fuse"]), has_overlays=has_overlays),
        judge_kind(node.name, f"the disks on {node.name}", FileSystem(**_known(node.facts["file_system"]))),
    ]


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A worker of another release may tell more."""
    return {name: facts.get(name) for name in FileSystem.__dataclass_fields__}


def _judge_portal(subject: Subject, node: Node, portals: Iterable[str] | None) -> Finding:
    if portals is None:
        return subject.bad("The target server does not answer its worker.", log_of("tgtd"))
    held = set(portals)
    wide = sorted(one for one in held if one.startswith(("0.0.0.0:", "[::]:")))
    if wide and node.portal not in wide:
        what = f"tgtd listens on every address ({', '.join(wide)}), and is to listen at {node.portal} alone."
        return subject.bad(what, log_of("tgtd"))
    if node.portal not in held:
        what = f"tgtd does not listen at {node.portal}; it listens at {', '.join(sorted(held)) or 'none'}."
        return subject.bad(what, log_of("worker-storage"), "Machines look for their disks there.")
    if held - {node.portal}:
        what = f"tgtd listens at {', '.join(sorted(held - {node.portal}))} too, besides {node.portal}."
        return subject.warning(what, log_of("worker-storage"))
    return subject.good(f"tgtd listens at {node.portal} alone.")


def _judge_fuse(node: Node, trouble: str, *, has_overlays: bool) -> Finding:
    why = "Overlays, versions and imported qcow2 disks are served as files by FUSE."
    subject = Subject(f"fuse-{node.name}", STORAGE, f"Layers on {node.name}", why)
    if not trouble:
        return subject.good("/dev/fuse can be used.")
    there = "is not there" if trouble == "missing" else "may not be opened by the storage user"
    mend = "sudo modprobe fuse" if trouble == "missing" else "sudo setfacl -m u:netboot-storage:rw /dev/fuse"
    what = f"/dev/fuse {there}, so that disks which are layers over a version cannot be served."
    return subject.bad(what, mend) if has_overlays else subject.warning(what, mend)


def judge_storage(place: Place, nodes: Iterable[Node], *, has_overlays: bool) -> list[Finding]:
    """Of every node; that this host's own is missing is told too. Pure."""
    known = list(nodes)
    found = [finding for node in known for finding in judge_node(node, has_overlays=has_overlays)]
    if place.node not in {node.name for node in known}:
        what = f"The storage node {place.node} of this host is not registered."
        subject = Subject(f"portal-{place.node}", STORAGE, f"Portal of {place.node}", "It holds the disks.")
        found.append(subject.bad(what, START))
    return found
