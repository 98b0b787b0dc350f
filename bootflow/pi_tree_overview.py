"""What is in a Raspberry Pi's tree of boot files, for a person: rendered again, its secret masked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bootflow.convergence import local_trees
from bootflow.kernel_set_overview import Folder, SetFile, folders_of
from bootflow.raspberry_pi.choosing import Chooser, Wanted, claims_of
from bootflow.raspberry_pi.cmdline import masked
from bootflow.raspberry_pi.rows import Contents, ContentsCache, Partition, SetRow, load
from bootflow.raspberry_pi.trees import CMDLINE, CONFIG
from devices.models import Device
from images.models import Blob


@dataclass(frozen=True, slots=True)
class TreeView:
    """A tree: what is written for the device alone, and the files that it shares with others."""

    waits: str
    config: str
    cmdline: str
    own_cmdline: bool  # else the file of its kernel set stands as it is
    folders: list[Folder]
    update: list[str]  # files that rewrite its bootloader


def tree_view(device: Device) -> TreeView:
    """What the device's tree is to hold, from the same function that makes it. Few queries."""
    wanted = _wanted(device)
    if wanted is None or wanted.tree is None:
        return TreeView(wanted.waits if wanted else "It is not served any files.", "", "", False, [], [])
    written, tree = wanted.tree.written, wanted.tree
    return TreeView(
        waits="",
        config=written.get(CONFIG, ""),
        cmdline=masked(written.get(CMDLINE, ""), wanted.secret).strip(),
        own_cmdline=CMDLINE in written,
        folders=folders_of(_files({**tree.file_set.linked, **tree.extra}, skip=written.keys())),
        update=sorted(tree.extra),
    )


def _wanted(device: Device) -> Wanted | None:
    """None for a device that is not served: disabled, or not approved."""
    rows, cache = load(), ContentsCache()
    row = next((row for row in rows.devices if row["pk"] == device.pk), None)
    if row is None:
        return None

    def contents(source: Partition | SetRow) -> Contents:
        return cache.of_partition(source) if isinstance(source, Partition) else cache.of_set(source)

    return Chooser(rows, contents, local_trees().place, frozenset(), {}).choose(row, claims_of(rows.devices))


def _files(digests: dict[str, str], *, skip: Collection[str]) -> list[SetFile]:
    sizes = dict(Blob.objects.filter(pk__in=digests.values()).values_list("pk", "size_bytes"))
    return [
        SetFile(path, sizes.get(digest, 0), digest)
        for path, digest in sorted(digests.items())
        if path not in skip
    ]
