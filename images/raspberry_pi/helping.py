"""Gives each initramfs that cannot do iSCSI what it lacks, and says of the others why it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from images.raspberry_pi import initramfs, kernels, segment
from images.raspberry_pi.boot_partition import MOST_FILE_BYTES
from images.raspberry_pi.ext import Ext
from images.raspberry_pi.initiator import Initiator
from images.raspberry_pi.initramfs import Initramfs, Maker
from images.raspberry_pi.modules import Found, read_modules
from images.raspberry_pi.roots import root_partition
from images.raspberry_pi.unpacking import UnpackingError

_NO_INITIATOR = (
    "The programs that let it reach its disk over iSCSI are missing on the storage node that read it."
    " Run `manage.py build_waiting_system --fetch` there."
)
_NO_INITRAMFS = (
    "It has no initramfs, so its kernel cannot reach a disk over iSCSI. Install initramfs-tools in the system"
    " and run `update-initramfs -c -k all` there."
)


@dataclass(frozen=True, slots=True)
class Helped:
    """An initramfs, and how it reaches its disk: added, open-iscsi, dracut or missing."""

    file: str
    release: str
    iscsi: str


@dataclass(slots=True)
class Helper:
    """Works on one disk's boot files, which it replaces."""

    disk: Path
    partitions: Sequence[Mapping[str, Any]]
    root: str
    files: Mapping[str, Path]
    warnings: list[str]
    initiator: Initiator | None
    work: Path
    tick: Callable[[], None]  # called between pieces of work; it may raise to end it

    def help_all(self, known: Sequence[kernels.Kernel], named: kernels.Named) -> list[Helped]:
        """Look into each initramfs of a 64-bit kernel, and replace those that need it."""
        helped: list[Helped] = []
        wide = [kernel for kernel in known if kernel.bits == 64]
        for file in kernels.initramfs_files(self.files, named):
            self.tick()
            kernel = kernels.kernel_of(file, "", known, named)
            if kernel is None or kernel.bits == 64:
                helped.append(self._help(file, wide, named))
        if wide and not helped:
            self.warnings.append(_NO_INITRAMFS)
        return helped

    def _help(self, file: str, wide: Sequence[kernels.Kernel], named: kernels.Named) -> Helped:
        try:
            looked = initramfs.look_into(self.files[file], self.work)
        except UnpackingError as error:
            self.warnings.append(f"The initramfs {file} cannot be read: {error}.")
            return Helped(file, "", "missing")
        kernel = kernels.kernel_of(file, looked.release, wide, named)
        release = kernel.release if kernel is not None and kernel.release else looked.release
        if looked.has_iscsi and looked.maker is not Maker.OTHER:
            return Helped(file, release, "dracut" if looked.maker is Maker.DRACUT else "open-iscsi")
        if looked.maker is not Maker.INITRAMFS_TOOLS:
            self.warnings.append(_not_ours(file, looked))
            return Helped(file, release, "missing")
        return Helped(file, release, self._add(file, release))

    def _add(self, file: str, release: str) -> str:
        """Put the segment behind it."""
        if self.initiator is None:
            self.warnings.append(_NO_INITIATOR)
            return "missing"
        modules = self._modules(release)
        if modules.fault:
            self.warnings.append(f"Kernel modules for {file} ({release or 'unknown'}): {modules.fault}.")
        target = self.work / f"added-{self.files[file].name}"
        own = {release: modules.modules} if release else {}
        segment.append(self.files[file], segment.segment(self.initiator, own), target)
        if target.stat().st_size > MOST_FILE_BYTES:
            self.warnings.append(f"The initramfs {file} is too large for anything to be added to it.")
            return "missing"
        target.replace(self.files[file])
        return "added"

    def _modules(self, release: str) -> Found:
        if not release:
            return Found((), "it is not known which kernel it is for")
        place = root_partition(self.root, self.partitions)
        if place is None:
            return Found((), "no partition has an ext4 file system to take them from")
        return read_modules(Ext(self.disk, place["start_bytes"]), release, self.work)


def _not_ours(file: str, looked: Initramfs) -> str:
    if looked.maker is Maker.DRACUT:
        return (
            f"The initramfs {file} was made by dracut without iSCSI. Install dracut-network in the system,"
            " add its iscsi module, and make the initramfs again."
        )
    return (
        f"The initramfs {file} was made neither by initramfs-tools nor by dracut: nothing can be added to it"
        " that reaches a disk over iSCSI."
    )
