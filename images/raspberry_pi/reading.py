"""Reads what a Raspberry Pi's firmware needs from a disk, as one bundle of files and facts.

The facts are what `BootFiles.facts` keeps:

    {"cmdline": "<the disk's cmdline.txt, one line>", "config": "<config.txt>",
     "kernels": [{"file": "kernel8.img", "release": "6.12.25+rpt-rpi-v8", "bits": 64}],
     "initramfs": [{"file": "initramfs8", "release": "6.12.25+rpt-rpi-v8",
                    "iscsi": "added" | "open-iscsi" | "dracut" | "missing"}],
     "root": "PARTUUID=6c586e13-02", "warnings": ["a sentence", ...]}

`iscsi` is "missing" where the initramfs could not be helped; a warning then says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from images.raspberry_pi.initiator import Initiator

Report = Callable[[int, int], None]  # bytes done, bytes in all; it may raise to end the work


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
    return None
