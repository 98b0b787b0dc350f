"""The boot loaders that firmware fetches, for each architecture, and what Raspberry Pis wait in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bootflow.convergence import local_host
from bootflow.dnsmasq import ARM64_LOADER, BIOS_LOADER, UEFI_FALLBACK_LOADER, UEFI_LOADER
from bootflow.raspberry_pi.waiting.outlook import waiting_warning
from netboot_site.doctor.findings import BOOT_FILES, Finding, Subject, log_of

_INSTALL = "sudo apt-get install ipxe"
_WHY = "Firmware of this kind has nothing to load, and its machines say so or go on to their disk."
_LOADERS = (
    ("BIOS PCs", (BIOS_LOADER,)),
    ("UEFI PCs (x64)", (UEFI_LOADER, UEFI_FALLBACK_LOADER)),
)
ARM64 = Subject("loader-arm64", BOOT_FILES, "Boot loader for UEFI machines with ARM", _WHY)
PIS = Subject(
    "waiting-system", BOOT_FILES, "Waiting system for Raspberry Pis",
    "A Raspberry Pi that nobody has approved yet runs it until somebody does.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BootFiles:
    """Which loaders are installed, which of them are not served as installed, and what Pis lack."""

    installed: frozenset[str]
    stale: frozenset[str]
    waiting: str


def read_boot_files() -> BootFiles:
    """What lies on this host."""
    host = local_host()
    return BootFiles(frozenset(host.loader_sources()), frozenset(host.stale_loaders()), waiting_warning())


def judge_boot_files(seen: BootFiles) -> list[Finding]:
    """A finding for each architecture. Pure."""
    found = [_judge_loader(kind, names, seen) for kind, names in _LOADERS]
    if ARM64_LOADER not in seen.installed:
        found.append(ARM64.good("Not installed; no other machine misses it. The ipxe of Debian 13 has one."))
    else:
        found.append(_judge_served(ARM64, (ARM64_LOADER,), seen))
    if seen.waiting:
        return [*found, PIS.warning(seen.waiting, "make setup")]
    return [*found, PIS.good("What it is made of is there.")]


def _judge_loader(kind: str, names: tuple[str, ...], seen: BootFiles) -> Finding:
    key = "bios" if names == (BIOS_LOADER,) else "uefi"
    subject = Subject(f"loader-{key}", BOOT_FILES, f"Boot loader for {kind}", _WHY)
    missing = _missing(names, seen.installed)
    if missing:
        return subject.bad(f"{missing} is not installed on this host.", _INSTALL)
    return _judge_served(subject, names, seen)


def _judge_served(subject: Subject, names: tuple[str, ...], seen: BootFiles) -> Finding:
    stale = sorted(set(names) & seen.stale)
    if stale:
        what = f"{' and '.join(stale)}: what is served is missing or older than what is installed."
        return subject.bad(what, log_of("worker-control"))
    return subject.good(f"{' and '.join(names)}: served as installed.")


def _missing(names: Iterable[str], installed: frozenset[str]) -> str:
    return " and ".join(name for name in names if name not in installed)
