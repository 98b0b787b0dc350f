"""Which partition of a disk its kernel command line means by `root=`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_EXT = {"ext2", "ext3", "ext4"}


def root_partition(root: str, partitions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The one that is meant, if its file system can be read; else the first whose can. Pure."""
    readable = [one for one in partitions if one["file_system"] in _EXT]
    meant = [one for one in readable if _is_meant(root, one)]
    return next(iter([*meant, *readable]), None)


def stable_root(root: str, partitions: Sequence[Mapping[str, Any]]) -> str:
    """The same root by a name that it keeps on an iSCSI disk, if it is named as on a memory card."""
    if not root.startswith("/dev/"):
        return root
    meant = next((one for one in partitions if _is_meant(root, one)), None)
    return f"UUID={meant['uuid']}" if meant is not None and meant["uuid"] else root


def _is_meant(root: str, partition: Mapping[str, Any]) -> bool:
    kind, _, value = root.partition("=")
    if kind == "LABEL":
        return bool(value) and value == str(partition["label"])
    if kind == "UUID":
        return bool(value) and value.lower() == str(partition["uuid"]).lower()
    number = re.search(r"^PARTUUID=[0-9a-fA-F]{8}-([0-9a-fA-F]{1,2})$", root)
    if number:
        return int(number[1], 16) == int(partition["number"])
    card = re.fullmatch(r"/dev/(?:mmcblk\d+p|nvme\d+n\d+p|sd[a-z])(\d{1,3})", root)
    return card is not None and int(card[1]) == int(partition["number"])
