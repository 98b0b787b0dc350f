"""What a device will be told at its next boot, and why: from the same function that serves the boot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from bootflow.decision import (
    IGNORED,
    AwaitApproval,
    BootDecision,
    BootImage,
    BootInstaller,
    BootLocal,
    BootMenu,
    Disabled,
    Disk,
    Files,
    Ignored,
    ProveIdentity,
    Situation,
    Wait,
    decide,
)
from bootflow.models import BootPlan, Installer, PiTree, PiTreeState
from devices.models import Device, DeviceType
from images import lineage
from images.models import Export, ExportState, Persistence


@dataclass(frozen=True, slots=True)
class Outlook:
    """The next boot in words."""

    tone: str  # how it is coloured: ready, waiting, disabled, ...
    title: str
    why: str


def outlook_of(device: Device) -> Outlook:
    """What `decide()` says to a device as its rows stand now; a Pi gets its files before it can ask."""
    decision = decide(situation_of(device))
    if device.device_type != DeviceType.RASPI:
        return _words(decision)
    tree: PiTree | None = getattr(device, "pi_tree", None)
    return _of_decision(decision) or _of_tree(tree) or _of_pi(decision, tree)


def situation_of(device: Device) -> Situation:
    """What decides, read from rows; the device comes with its export, image, node and plan."""
    plan: BootPlan | None = getattr(device, "boot_plan", None)
    export: Export | None = getattr(device, "export", None)
    installer = plan.boot_once_installer if plan else None
    return Situation(
        mac=device.mac,
        state=IGNORED if device.ignored_at else device.state,
        name=device.name,
        device_type=device.device_type,
        kernel_set=(plan.kernel_set_id if plan else None) or "default",
        boot_once=plan.boot_once if plan else "",
        disk=_disk(export) if export else None,
        installer=_files(installer) if installer else None,
    )


def _disk(export: Export) -> Disk:
    node = export.image.node
    return Disk(
        image_id=export.image_id,
        iqn=export.iqn,
        initiator_name=export.initiator_name,
        address=node.portal_address or "",
        port=node.portal_port,
        ready=export.state == ExportState.READY,
        trouble=export.last_error,
        mode=export.mode,
        persistence=export.persistence,
        version=_version_under(export),
        paused=export.state == ExportState.PAUSED,
        due=_due(export),
    )


def _version_under(export: Export) -> int | None:
    base = export.layer.base_version if export.layer else None
    return base.number if base else None


def _due(export: Export) -> str:
    """What its overlay begins the next boot with; the same rule as in statements.py."""
    if export.observed_stale:
        return "move"
    used = export.layer is not None and lineage.is_touched(export.layer, export)
    return "reset" if used and export.persistence == Persistence.RESET else ""


def _files(installer: Installer) -> Files:
    return Files(installer.name, installer.path, installer.kernel, installer.initrd, installer.kernel_cmdline)


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
