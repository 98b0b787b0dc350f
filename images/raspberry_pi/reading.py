"""Reads what a Raspberry Pi's firmware needs from a disk, as one bundle of files and facts.

The facts are what `BootFiles.facts` keeps:

    {"cmdline": "<the disk's cmdline.txt, one line>", "config": "<config.txt>",
     "kernels": [{"file": "kernel8.img", "release": "6.12.25+rpt-rpi-v8", "bits": 64}],
     "initramfs": [{"file": "initramfs8", "release": "6.12.25+rpt-rpi-v8",
                    "iscsi": "added" | "open-iscsi" | "dracut" | "missing"}],
     "root": "PARTUUID=6c586e13-02", "warnings": ["a sentence", ...]}

`root` is what cmdline.txt says, and the file system's UUID where that is a memory card's device.

`iscsi` is "missing" where the initramfs could not be helped; a warning then says why. Those of kernels of 32
bits are left as they are, and are not among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from images.contents import inspect
from images.raspberry_pi import boot_partition, helping, kernels, settings_files
from images.raspberry_pi.initiator import Initiator
from images.raspberry_pi.roots import stable_root
from images.raspberry_pi.unpacking import UnpackingError

Report = Callable[[int, int], None]  # bytes done, bytes in all; it may raise to end the work
_MOST_WARNINGS = 20


class KernelFacts(TypedDict):
    """A kernel of the boot partition."""

    file: str
    release: str
    bits: int


class InitramfsFacts(TypedDict):
    """An initramfs of the boot partition, and how it reaches its disk over iSCSI."""

    file: str
    release: str
    iscsi: str


class BootFacts(TypedDict):
    """What was learnt from a disk; see this module's description."""

    cmdline: str
    config: str
    kernels: list[KernelFacts]
    initramfs: list[InitramfsFacts]
    root: str
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class BootBundle:
    """The boot partition's files by their path there, ready to be served, and what was learnt."""

    files: Mapping[str, Path]
    facts: BootFacts


def read_boot_files(disk: Path, work: Path, initiator: Initiator | None, report: Report) -> BootBundle | None:
    """Read a raw disk into the folder `work`; an initramfs that lacks iSCSI is replaced under its own name.

    The files lie in `work` and are the caller's. None if no FAT partition has a Raspberry Pi's boot files.
    Raises ValidationError, in a sentence for the person, if the partition cannot be read at all; what only
    keeps it from booting is in the facts' warnings. `disk` may hold anything.
    """
    partitions = inspect(disk)["partitions"]
    with disk.open("rb") as opened:
        fat = boot_partition.find(opened, partitions)
        if fat is None:
            return None
        folder = work / "files"
        folder.mkdir()
        found = boot_partition.copy_out(fat, folder, report)
    told = settings_files.read(found.files, found.warnings)
    named = kernels.named_in(told.config)
    own = {
        name.removeprefix(told.prefix): path
        for name, path in found.files.items()
        if name.startswith(told.prefix)
    }
    known = _kernels(own, found.warnings, named, work)
    total = sum(path.stat().st_size for path in found.files.values())
    report(total, total)
    helper = helping.Helper(
        disk, partitions, told.root, own, found.warnings, initiator, work, lambda: report(total, total)
    )
    helped = helper.help_all(known, named)
    facts: BootFacts = {
        "cmdline": told.cmdline,
        "config": told.config,
        "kernels": [{"file": told.prefix + k.file, "release": k.release, "bits": k.bits} for k in known],
        "initramfs": [
            {"file": told.prefix + one.file, "release": one.release, "iscsi": one.iscsi} for one in helped
        ],
        "root": stable_root(told.root, partitions),
        "warnings": list(dict.fromkeys(found.warnings))[:_MOST_WARNINGS],
    }
    return BootBundle(found.files, facts)


def _kernels(
    files: Mapping[str, Path], warnings: list[str], named: kernels.Named, work: Path
) -> list[kernels.Kernel]:
    """The kernels that are there; what is wrong with them is said."""
    known: list[kernels.Kernel] = []
    for file in kernels.kernel_files(files, named):
        try:
            kernel = kernels.look_into(file, files[file], work)
        except UnpackingError as error:
            warnings.append(f"The kernel {file} cannot be read: {error}.")
            continue
        if kernel is not None:
            known.append(kernel)
    if not known:
        warnings.append("The boot partition has no kernel, so nothing can start from it.")
    elif all(kernel.bits != 64 for kernel in known):
        warnings.append(
            "All of its kernels are made for 32 bits, with which a disk cannot be reached over iSCSI."
            " Use a 64-bit Raspberry Pi OS."
        )
    return known
