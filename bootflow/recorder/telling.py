"""Events that were recorded without words, as sentences. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bootflow.decision import (
    AwaitApproval,
    BootDecision,
    BootImage,
    BootInstaller,
    BootLocal,
    BootMenu,
    Disabled,
    Disk,
    Ignored,
    ProveIdentity,
    Situation,
    Wait,
    decide,
)
from bootflow.raspberry_pi.asking import System, render

ROOT_MOUNTED = "root"  # what an initramfs of ours says `at` with, in /boot/online


def tell(mac: str, kind: str, facts: Mapping[str, Any]) -> str:
    """What happened; for a check-in also what the machine was told, computed again from what decided it."""
    if kind == "online" and facts.get("at") == ROOT_MOUNTED:
        return "Its root file system is mounted from its disk; the operating system takes over."
    if kind == "online":
        return "The operating system says that it is up."
    if "plan" not in facts:
        return "Asked what to boot." if kind in ("script", "check-in") else kind
    situation = Situation.from_facts(mac, facts["plan"])
    decision = decide(situation)
    if facts.get("system") in list(System):
        return _tell_pi(render(situation, decision, System(facts["system"])), facts["system"])
    return f"Asked what to boot, and was told {_told(decision)}."


def _tell_pi(answer: str, system: str) -> str:
    """From the answer itself: its action, and what it lets the Pi's screen say."""
    action, _, *said = answer.splitlines()
    words = " ".join(line.removeprefix("say ") for line in said)
    who = "The waiting system" if system == System.WAITING else "The initramfs"
    told = action.removeprefix("action ")
    return f"{who} asked what to boot, and was told to {told}{f': {words}' if words else '.'}"


def _told(decision: BootDecision) -> str:
    match decision:
        case BootImage(disk=disk):
            return f"to boot from its disk {disk.image_id}{_how(disk)}"
        case BootInstaller(files=files):
            return f"to start the installer {files.name}"
        case BootMenu():
            return "to show the menu"
        case BootLocal() | Ignored():
            return "to start from its local disk"
        case Disabled():
            return "to start from its local disk, since it is disabled"
        case Wait(disk=disk, refresh=True):
            doing = "reset" if disk.due == "reset" else "moved to another version"
            return f"to wait until its disk {disk.image_id}{_how(disk)} is {doing}"
        case Wait(disk=disk):
            return f"to wait until its disk {disk.image_id} is ready"
        case ProveIdentity():
            return "to wait, since its identity could not be checked"
        case AwaitApproval(code=code):
            return f"to wait until somebody approves it (code {code})"


def _how(disk: Disk) -> str:
    """Of an overlay, what it stands on and what becomes of its changes."""
    if disk.mode != "overlay":
        return ""
    under = f"version {disk.version}" if disk.version is not None else "no version"
    return f" (overlay on {under}, {'kept' if disk.persistence == 'keep' else 'reset at each boot'})"
