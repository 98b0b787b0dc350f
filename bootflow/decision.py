"""Who boots what, and why: one pure function from what is known of a machine to what it is told.

The flight recorder keeps the `Situation` of each check-in, so a decision can always be computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devices.models import DeviceState
from netboot_site.formats import device_code

ASK_AGAIN_SECONDS = 3
REFRESH_SECONDS = 1  # a fresh overlay takes that long: the converger's next round makes it
APPROVAL_WAIT_SECONDS = 600  # then an unknown machine goes on to its local disk
MENU_SECONDS = 60
IGNORED = "ignored"  # where a row has no word: discovered, and to be left alone for good
PAUSED = "Its disk is paused: its storage node is short of room. It goes on when there is room."


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that a device was given, and whether its target is there."""

    image_id: str
    iqn: str
    initiator_name: str
    address: str
    port: int
    ready: bool
    trouble: str = ""
    mode: str = ""  # empty, with all that follows: a check-in over REST, which begins no boot
    persistence: str = ""
    version: int | None = None  # the version that its overlay stands on
    paused: bool = False
    due: str = ""  # what its overlay begins this boot with: `reset`, `move` to another version, or as it is

    @property
    def portal(self) -> str:
        """`address:port`, as the API shows it."""
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Files:
    """An installer's files, relative to /boot/files/, and its command line."""

    name: str
    path: str
    kernel: str
    initrd: str
    cmdline: str


@dataclass(frozen=True, slots=True)
class Tree:
    """Whether the files that a Raspberry Pi's firmware fetches are there (PiTree)."""

    state: str
    why: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """All that decides what a machine boots."""

    mac: str
    state: str = ""  # empty: no row, since too many unknown machines have asked
    name: str = ""
    device_type: str = ""
    kernel_set: str = "default"
    boot_once: str = ""
    disk: Disk | None = None
    installer: Files | None = None
    installers: tuple[Files, ...] = ()
    identity: bool | None = None  # None: not asked, since no secret is in the answer
    gave_up: bool = False  # it has waited for approval long enough
    tree: Tree | None = None  # None: not a Raspberry Pi that asked, or none has been made yet

    @classmethod
    def from_facts(cls, mac: str, plan: Mapping[str, Any]) -> Situation:
        """What the recorder keeps under `plan` in a check-in's facts."""
        disk, installer, tree = plan.get("disk"), plan.get("installer"), plan.get("tree")
        return cls(
            mac=mac,
            state=plan.get("state") or "",
            name=plan.get("name") or "",
            device_type=plan.get("device_type") or "",
            kernel_set=plan.get("kernel_set") or "default",
            boot_once=plan.get("boot_once") or "",
            disk=Disk(**disk) if disk else None,
            installer=Files(**installer) if installer else None,
            installers=tuple(Files(**files) for files in plan.get("installers") or ()),
            identity=plan.get("identity"),
            gave_up=bool(plan.get("gave_up")),
            tree=Tree(tree["state"], tree["why"], tuple(tree["missing"])) if tree else None,
        )


@dataclass(frozen=True, slots=True)
class BootImage:
    """Boot from its own disk, straight away."""

    disk: Disk
    kernel_set: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Its disk cannot be reached yet: say why and ask again."""

    disk: Disk
    kernel_set: str
    why: str
    refresh: bool = False  # its overlay is to be made anew meanwhile
    seconds: int = ASK_AGAIN_SECONDS


@dataclass(frozen=True, slots=True)
class ProveIdentity:
    """It asked from an address that is not known to be its own: no secret is told."""

    disk: Disk
    kernel_set: str


@dataclass(frozen=True, slots=True)
class AwaitApproval:
    """Nobody has approved it: show its code and keep asking."""

    name: str
    code: str
    device_type: str
    installers: tuple[Files, ...]


@dataclass(frozen=True, slots=True)
class BootMenu:
    """Nothing is assigned, or the menu was wanted: a menu with a time limit, then the local disk."""

    why: str
    wanted: bool
    kernel_set: str
    installers: tuple[Files, ...]


@dataclass(frozen=True, slots=True)
class BootInstaller:
    """Start an operating system's installer."""

    files: Files
    kernel_set: str


@dataclass(frozen=True, slots=True)
class BootLocal:
    """Start from the machine's own disk."""

    why: str
    kernel_set: str


@dataclass(frozen=True, slots=True)
class Disabled:
    """Somebody switched this device off: local disk, and say so."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nobody is going to approve it: local disk at once, without a question."""


BootDecision = (
    BootImage
    | Wait
    | ProveIdentity
    | AwaitApproval
    | BootMenu
    | BootInstaller
    | BootLocal
    | Disabled
    | Ignored
)


def decide(now: Situation) -> BootDecision:
    """What this machine is told to boot. Total: every situation has an answer."""
    if now.state == DeviceState.DISABLED:
        return Disabled()
    if now.state == IGNORED:
        return Ignored()
    if now.state != DeviceState.ENROLLED:
        return _decide_unknown(now)
    return _decide_once(now) or _decide_plan(now)


def _decide_unknown(now: Situation) -> BootDecision:
    if now.gave_up:
        minutes = APPROVAL_WAIT_SECONDS // 60
        return BootLocal(f"Nobody approved this device within {minutes} minutes.", now.kernel_set)
    return AwaitApproval(now.name, device_code(now.mac), now.device_type, now.installers)


def _decide_once(now: Situation) -> BootDecision | None:
    match now.boot_once:
        case "local":
            return BootLocal("This boot was set to the local disk.", now.kernel_set)
        case "menu":
            return BootMenu("This boot was set to the menu.", True, now.kernel_set, now.installers)
        case "installer" if now.installer is not None:
            return BootInstaller(now.installer, now.kernel_set)
    return None  # as planned; an installer that has been deleted since counts as none


def _decide_plan(now: Situation) -> BootDecision:
    disk = now.disk
    if disk is None:
        return BootMenu("No disk is assigned to this device.", False, now.kernel_set, now.installers)
    if not disk.address:
        return Wait(disk, now.kernel_set, "The storage node has told no address yet.")
    if disk.paused:
        return Wait(disk, now.kernel_set, disk.trouble or PAUSED)
    if disk.due and now.identity:
        return _refresh(disk, now.kernel_set)
    if not disk.ready:
        return Wait(disk, now.kernel_set, disk.trouble or "Its disk is being made ready.")
    if now.identity is False:
        return ProveIdentity(disk, now.kernel_set)
    return BootImage(disk, now.kernel_set)


def _refresh(disk: Disk, kernel_set: str) -> Wait:
    """A trouble that is known stands in the way of the fresh overlay, too."""
    doing = "Its disk is being reset." if disk.due == "reset" else "Its disk is moving to another version."
    why = doing if disk.ready else disk.trouble or doing
    return Wait(disk, kernel_set, why, refresh=True, seconds=REFRESH_SECONDS)
