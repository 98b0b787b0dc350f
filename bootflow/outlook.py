"""What a device will be told at its next boot, and why: from the same function that serves the boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from bootflow.checkin import Asking, look
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
from bootflow.models import PiTree, PiTreeState
from bootflow.raspberry_pi.asking import System
from devices.models import Device, DeviceState, DeviceType


@dataclass(frozen=True, slots=True)
class Outlook:
    """The next boot in words."""

    tone: str  # how it is coloured: ready, waiting, disabled, ...
    title: str
    why: str


def outlook_of(device: Device) -> Outlook:
    """What `decide()` says to a device as its rows stand now; a Pi gets its files before it can ask."""
    return outlook_for(device, situation_of(device))


def outlook_for(device: Device, situation: Situation) -> Outlook:
    """The same of a situation that has been read already."""
    decision = decide(situation)
    if device.device_type != DeviceType.RASPI:
        return _words(decision)
    tree: PiTree | None = getattr(device, "pi_tree", None)
    return _of_decision(decision) or _of_tree(tree) or _of_pi(decision, tree)


def situation_of(device: Device) -> Situation:
    """What decides, by the statement that a check-in reads it with. One query."""
    return look(asking_of(device))[0]


def asking_of(device: Device, identity: bool | None = None) -> Asking:
    """The question that this machine's firmware asks."""
    is_pi = device.device_type == DeviceType.RASPI
    system = System.INITRAMFS if is_pi and device.state != DeviceState.DISCOVERED else System.WAITING
    return Asking(
        mac=device.mac, kind="script", device_type=device.device_type, identity=identity,
        system=system if is_pi else "",
    )  # fmt: skip


def _words(decision: BootDecision) -> Outlook:
    match decision:
        case BootImage() | ProveIdentity():
            return Outlook("ready", "Its own disk", f"Boots {_how(decision.disk)}.")
        case Wait():
            return Outlook("waiting", "Waits for its disk", decision.why)
        case AwaitApproval():
            return Outlook("discovered", "Waits for approval", f"Its screen shows the code {decision.code}.")
        case BootMenu():
            return Outlook(
                "menu", "Boot menu", f"{decision.why} After a minute it goes on to its local disk."
            )
        case BootInstaller():
            return Outlook("importing", "Installer, once", f"Starts {decision.files.name} at the next boot.")
        case BootLocal():
            return Outlook("local", "Local disk, once", decision.why)
        case Disabled():
            return Outlook("disabled", "Local disk", "The device is disabled, and its screen says so.")
        case Ignored():
            return Outlook("disabled", "Local disk", "It is ignored: it goes on to its local disk at once.")
        case _:
            assert_never(decision)


def _of_decision(decision: BootDecision) -> Outlook | None:
    """What holds a Pi back before its files matter: it has none, or only those of the waiting system."""
    match decision:
        case Disabled():
            return Outlook("disabled", "Nothing", "The device is disabled: its files are not served.")
        case Ignored():
            return Outlook("disabled", "Nothing", "It is ignored: its screen says so, and it stays as it is.")
        case AwaitApproval():
            return _words(decision)
    return None


def _of_tree(tree: PiTree | None) -> Outlook | None:
    """What is wrong with the files that its firmware is to fetch."""
    if tree is None or tree.state == PiTreeState.WAITING:
        why = tree.last_error if tree else ""
        return Outlook("waiting", "Waits for its files", why or "Its boot files are being put together.")
    if tree.state == PiTreeState.INCOMPLETE and not tree.missing:
        return Outlook("failed", "Cannot boot", tree.last_error)
    if tree.state == PiTreeState.INCOMPLETE:
        missing = ", ".join(name.partition(" or ")[0] for name in tree.missing)
        return Outlook("failed", "Files are missing", tree.last_error or f"Its firmware needs {missing}.")
    return None


def _of_pi(decision: BootDecision, tree: PiTree | None) -> Outlook:
    match decision:
        case BootImage() | ProveIdentity() | Wait():
            return _words(decision)
        case BootMenu(wanted=False):
            boots = tree.boots if tree else ""
            return Outlook("menu", "No disk", boots or "No disk is assigned; its screen says so.")
    why = "A Raspberry Pi has no menu and no local disk of ours: set its next boot as planned."
    return Outlook("waiting", "Waits", why)


def _how(disk: Disk) -> str:
    name = f"{disk.image_id} over iSCSI"
    if disk.due == "reset":
        return f"{name}, after its overlay has been reset to version {disk.version}"
    if disk.due == "move":
        return f"{name}, after its overlay has moved to another version"
    if disk.version is not None:
        return f"{name}, straight away, from its overlay on version {disk.version}"
    return f"{name}, straight away"
