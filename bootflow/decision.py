"""Who boots what, and why: one pure function from what is known of a machine to what it is told.

The flight recorder keeps the `Situation` of each check-in, so a decision can always be computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


Decider = Callable[[Situation], BootDecision | None]
OfDisk = Callable[[Disk, Situation], BootDecision | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One question that is asked of a situation: the first rule with a decision decides."""

    question: str
    decide: Decider
    applies: str  # the answer in words where it decides
    passes: str  # and where the next rule is asked


@dataclass(frozen=True, slots=True)
class Step:
    """A rule that was asked, and what came of it."""

    question: str
    answer: str
    decides: bool


def decide(now: Situation) -> BootDecision:
    """What this machine is told to boot. Total: every situation has an answer."""
    return next(decision for rule in RULES if (decision := rule.decide(now)) is not None)


def steps_to_decision(now: Situation) -> list[Step]:
    """The rules that were asked on the way, the one that decided last."""
    steps: list[Step] = []
    for rule in RULES:
        decides = rule.decide(now) is not None
        steps.append(Step(rule.question, rule.applies if decides else rule.passes, decides))
        if decides:
            break
    return steps


def _if_disabled(now: Situation) -> BootDecision | None:
    return Disabled() if now.state == DeviceState.DISABLED else None


def _if_ignored(now: Situation) -> BootDecision | None:
    return Ignored() if now.state == IGNORED else None


def _if_unknown(now: Situation) -> BootDecision | None:
    if now.state == DeviceState.ENROLLED:
        return None
    if now.gave_up:
        minutes = APPROVAL_WAIT_SECONDS // 60
        return BootLocal(f"Nobody approved this device within {minutes} minutes.", now.kernel_set)
    return AwaitApproval(now.name, device_code(now.mac), now.device_type, now.installers)


def _if_once(now: Situation) -> BootDecision | None:
    match now.boot_once:
        case "local":
            return BootLocal("This boot was set to the local disk.", now.kernel_set)
        case "menu":
            return BootMenu("This boot was set to the menu.", True, now.kernel_set, now.installers)
        case "installer" if now.installer is not None:
            return BootInstaller(now.installer, now.kernel_set)
    return None  # as planned; an installer that has been deleted since counts as none


def _if_no_disk(now: Situation) -> BootDecision | None:
    if now.disk is not None:
        return None
    return BootMenu("No disk is assigned to this device.", False, now.kernel_set, now.installers)


def _of_disk(
    rule: Callable[[Disk, Situation], BootDecision | None],
) -> Callable[[Situation], BootDecision | None]:
    """A rule that is asked only of a machine with a disk."""
    return lambda now: rule(now.disk, now) if now.disk is not None else None


def _if_no_address(disk: Disk, now: Situation) -> BootDecision | None:
    return None if disk.address else Wait(disk, now.kernel_set, "The storage node has told no address yet.")


def _if_paused(disk: Disk, now: Situation) -> BootDecision | None:
    return Wait(disk, now.kernel_set, disk.trouble or PAUSED) if disk.paused else None


def _if_due(disk: Disk, now: Situation) -> BootDecision | None:
    """A trouble that is known stands in the way of the fresh overlay, too."""
    if not disk.due or not now.identity:
        return None
    doing = "Its disk is being reset." if disk.due == "reset" else "Its disk is moving to another version."
    why = doing if disk.ready else disk.trouble or doing
    return Wait(disk, now.kernel_set, why, refresh=True, seconds=REFRESH_SECONDS)


def _if_not_ready(disk: Disk, now: Situation) -> BootDecision | None:
    return None if disk.ready else Wait(disk, now.kernel_set, disk.trouble or "Its disk is being made ready.")


def _if_stranger(disk: Disk, now: Situation) -> BootDecision | None:
    return ProveIdentity(disk, now.kernel_set) if now.identity is False else None


def _else_boots(disk: Disk, now: Situation) -> BootDecision | None:
    return BootImage(disk, now.kernel_set)


RULES = (
    Rule("Is it disabled?", _if_disabled, "Yes: it goes to its local disk.", "No."),
    Rule("Is it ignored for good?", _if_ignored, "Yes: it goes to its local disk at once.", "No."),
    Rule("Has somebody approved it?", _if_unknown, "No: nobody has approved it.", "Yes, it is enrolled."),
    Rule(
        "Is this boot set to something else than the plan?", _if_once,
        "Yes, for this one boot.", "No, it goes as planned.",
    ),
    Rule("Is a disk assigned?", _if_no_disk, "No.", "Yes."),
    Rule(
        "Is the address of the disk's storage node known?", _of_disk(_if_no_address),
        "No: the machine waits.", "Yes.",
    ),
    Rule("Is its disk paused for want of room?", _of_disk(_if_paused), "Yes: the machine waits.", "No."),
    Rule(
        "Does its overlay begin anew at this boot?", _of_disk(_if_due),
        "Yes: the machine waits a moment until that is done, and then boots.", "No.",
    ),
    Rule("Is its disk ready?", _of_disk(_if_not_ready), "No: the machine waits.", "Yes."),
    Rule(
        "Does it ask from an address that is known to be its own?", _of_disk(_if_stranger),
        "No: it is not told the disk's password.", "Yes: it is told the disk's password.",
    ),
    Rule("Does anything else stand in its way?", _of_disk(_else_boots), "No: it boots from its disk.", ""),
)  # fmt: skip
