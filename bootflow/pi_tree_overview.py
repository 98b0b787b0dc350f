"""What is in a Raspberry Pi's tree of boot files, as its page shows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bootflow.kernel_set_overview import Folder, SetFile, folders_of
from bootflow.raspberry_pi.shown import tree_shown
from bootflow.raspberry_pi.trees import CMDLINE
from devices.models import Device
from images.models import Blob
from netboot_site.errors import OrchestratorError


@dataclass(frozen=True, slots=True)
class TreeView:
    """A tree: what is written for the device alone, and the files that it shares with others."""

    waits: str = ""  # why there is none
    config: str = ""
    cmdline: str = ""
    own_cmdline: bool = False  # else the file of its kernel set stands as it is
    folders: list[Folder] = field(default_factory=list)
    update: list[str] = field(default_factory=list)  # what rewrites its bootloader


def tree_view(device: Device) -> TreeView:
    """What the device's tree is to hold, from the same function that makes it. Few queries."""
    try:
        shown = tree_shown(device)
    except OrchestratorError as error:
        return TreeView(waits=str(error))
    tree = shown.wanted.tree
    if tree is None:
        return TreeView(waits=shown.wanted.waits)
    return TreeView(
        config=shown.config,
        cmdline=shown.cmdline.strip(),
        own_cmdline=CMDLINE in tree.written,
        folders=folders_of(_files(shown.files, tree.written.keys())),
        update=sorted(tree.extra),
    )


def _files(digests: Mapping[str, str], written: Collection[str]) -> list[SetFile]:
    sizes = dict(Blob.objects.filter(pk__in=digests.values()).values_list("pk", "size_bytes"))
    return [
        SetFile(path, sizes.get(digest, 0), digest)
        for path, digest in sorted(digests.items())
        if path not in written
    ]
