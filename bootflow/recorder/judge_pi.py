"""How a Raspberry Pi's boot stands, and where it stopped. Pure.

Its firmware speaks DHCP and TFTP only: what it lacked is read from what it asked for and did not get.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from bootflow.decision import (
    AwaitApproval,
    BootDecision,
    BootImage,
    BootInstaller,
    BootLocal,
    BootMenu,
    Disabled,
    ProveIdentity,
    Wait,
)
from bootflow.models import Outcome, Stage
from bootflow.raspberry_pi.asked import Role, role_of
from bootflow.raspberry_pi.asking import System, restarts
from bootflow.raspberry_pi.paths import asked_path
from bootflow.recorder.story import (
    LOGIN_WITHIN,
    NEXT_STEP,
    TAKEOVER_WITHIN,
    Seen,
    Story,
    Verdict,
    after,
    seconds,
    waiting,
)

KERNEL_SPEAKS_WITHIN = timedelta(seconds=120)  # a Pi 3 under emulation needs 70
RESTARTED = "The waiting system was told to restart into what this device boots."
COMES_BACK = (
    "The waiting system was told to restart, and came back instead of this device's own files: its firmware "
    "does not look in the folder of its serial number or MAC address. See the advice (TFTP_PREFIX)."
)
_FAILED_KINDS = ("file-missing", "file-refused")


def _judge_dhcp(story: Story) -> Verdict:
    refused = story.last("no-offer")
    if refused and not story.last("discover"):
        return after(story, NEXT_STEP, f"{refused.detail.rstrip('.')}: check DHCP_RANGE")
    proxied = story.last("proxy", "boot-server") is not None
    address = "the network's own DHCP server gave it an address, that " if proxied else ""
    return after(
        story,
        NEXT_STEP,
        f"DHCP was answered and no file was asked for by TFTP within {seconds(NEXT_STEP)}: check that "
        f"{address}no other server on this network tells Raspberry Pis what to boot, that UDP port 69 is not "
        "blocked, and that the switch port forwards at once (spanning tree: portfast)",
    )


def _judge_firmware(story: Story) -> Verdict:
    lacking, broken = _lacking(story), _broken(story)
    if lacking:
        return after(story, NEXT_STEP, _lacks(story, lacking))
    if broken:
        return after(story, NEXT_STEP, _did_not_arrive(broken))
    return after(story, NEXT_STEP, f"{_last_file(story)}, and its firmware went no further{_prefix(story)}")


def _judge_kernel(story: Story) -> Verdict:
    lacking, broken, kernel = _lacking(story), _broken(story), _came(story, Role.KERNEL)
    if broken:
        return after(story, NEXT_STEP, _did_not_arrive(broken))
    if kernel is None or (lacking and lacking.at >= kernel.at):
        asked = lacking or story.last("file-missing", "file-probed", stage=Stage.TFTP)
        return after(story, NEXT_STEP, _lacks(story, asked) if asked else _last_file(story))
    return after(story, KERNEL_SPEAKS_WITHIN, _silent(story, kernel))


def _silent(story: Story, kernel: Seen) -> str:
    """Why nothing is heard of a kernel that was fetched."""
    within = f"within {seconds(KERNEL_SPEAKS_WITHIN)}"
    initramfs = _came(story, Role.INITRAMFS)
    fetched = f"{_name(kernel)} and {_name(initramfs)} were" if initramfs else f"{_name(kernel)} was"
    if any(event.facts.get("client") == "os" and event.at > kernel.at for event in story.events):
        return (
            f"{fetched} fetched and Linux asked for an address, but it neither checked in nor logged in "
            f"{within}: "
            f"check that it reaches HTTP port {story.http_port} and its disk's target{_prefix(story)}"
        )
    lacking = _all_lacking(story)
    lack = f"{' and '.join(lacking)} {'was' if len(lacking) == 1 else 'were'} not there; " if lacking else ""
    lack += "" if initramfs else "no initramfs was fetched: without one it has no iSCSI; "
    return (
        f"{fetched} fetched, and nothing was heard of it {within}: {lack}check that kernel, device tree and "
        f"initramfs belong together, and look at its screen{_prefix(story)}"
    )


def _judge_script(story: Story) -> Verdict:
    asked, situation = story.last("script", "check-in"), story.situation()
    decision = story.decision()
    if asked is None or situation is None or decision is None or asked.facts.get("system") != System.WAITING:
        return _told(story, decision)
    if restarts(situation, decision):
        return Verdict(story.stage, Outcome.OK, RESTARTED, asked.at)
    if isinstance(decision, BootImage):
        why = "Waits for its boot files, which are being made ready or lack something."
        return waiting(story, why, "for its boot files")
    return _told(story, decision)


def _told(story: Story, decision: BootDecision | None) -> Verdict:
    match decision:
        case AwaitApproval(code=code):
            return waiting(
                story, f"Waits to be approved; its console shows the code {code}.", "to be approved"
            )
        case Wait(why=why):
            return waiting(story, f"Waits for its disk: {why}", f"for its disk ({why.rstrip('.')})")
        case ProveIdentity():
            return waiting(story, NO_IDENTITY, "to be known by its address")
        case BootImage(disk=disk):
            return after(
                story,
                LOGIN_WITHIN,
                f"told to boot from {disk.image_id}, but no login at the iSCSI target {disk.portal} within "
                f"{seconds(LOGIN_WITHIN)}: check that it reaches {disk.portal}; its command line may hold an "
                "older password, then starting it again helps",
            )
        case Disabled():
            return waiting(story, "This device is disabled: it waits.", "as a disabled device")
        case BootMenu(why=why) | BootLocal(why=why):
            return waiting(story, why, f"with nothing to boot ({why.rstrip('.')})")
        case BootInstaller(files=files):
            why = f"The installer {files.name} is for PCs: a Raspberry Pi cannot start it."
            return waiting(story, why, "at an installer that it cannot start")
    return after(story, NEXT_STEP, "it asked what to boot, and nothing was heard after it")


NO_IDENTITY = (
    "Its identity could not be checked: it asked from an address that is not known to be its own. Check that "
    "it is on the boot network and not behind a router."
)


def _judge_iscsi(story: Story) -> Verdict:
    login, logout = story.last("login"), story.last("logout", stage=Stage.ISCSI)
    if logout and (login is None or logout.at >= login.at):
        return after(
            story,
            NEXT_STEP,
            "its initramfs logged in to its disk and the session ended before an operating system was seen: "
            "check that the disk holds the root that its command line names",
        )
    return after(
        story,
        TAKEOVER_WITHIN,
        f"its initramfs logged in to its disk, but no operating system was seen within "
        f"{seconds(TAKEOVER_WITHIN)}: check that the disk holds the root that its command line names",
    )


def _lacking(story: Story) -> Seen | None:
    """The newest needed file that was not there, unless the firmware has found it elsewhere since."""
    came = {asked_path(_file(event)).name for event in story.events if event.kind == "file"}
    wanted = [event for event in story.events if event.kind in _FAILED_KINDS and _file(event)]
    needed = [event for event in wanted if asked_path(_file(event)).name not in came]
    return next((e for e in reversed(needed) if not _file(e).endswith(".dtbo")), None)


def _lacks(story: Story, lacking: Seen) -> str:
    """What is not there, and what to do about it."""
    asked = asked_path(_file(lacking))
    names = _all_lacking(story) or [asked.name]
    told = f"{' and '.join(names)} {'was' if len(names) == 1 else 'were'} not there"
    if not asked.prefix and not story.boots:
        return (
            f"{told}: it found no folder of its own and nothing in the common one; approve it, or build the "
            "waiting system (manage.py build_waiting_system)"
        )
    source = story.boots or "what it boots"
    return f"{told} (asked for as {_file(lacking)}): it is to be added to {source}{_prefix(story)}"


def _all_lacking(story: Story) -> list[str]:
    """Names that were asked for in vain, each once; where no kernel came, of kernels all of them."""
    came = {asked_path(_file(event)).name for event in story.events if event.kind == "file"}
    has_kernel = _came(story, Role.KERNEL) is not None
    names = [
        asked_path(_file(event)).name
        for event in story.events
        if event.kind in _FAILED_KINDS
        or (event.facts.get("absent") and role_of(_file(event)) is Role.KERNEL and not has_kernel)
    ]
    return [name for name in dict.fromkeys(names) if name not in came and not name.endswith(".dtbo")][:4]


def _broken(story: Story) -> Seen | None:
    """A file that did not arrive whole, and not later either."""
    broken = story.last("file-failed")
    again = [e for e in story.events if e.kind == "file" and broken and _file(e) == _file(broken)]
    return broken if broken and not any(event.at >= broken.at for event in again) else None


def _did_not_arrive(broken: Seen) -> str:
    return (
        f"{_name(broken)} did not arrive whole: the Raspberry Pi stopped answering in the middle of it. Its "
        "bootloader may have given up (TFTP_FILE_TIMEOUT, 30 s a file), or cannot read a file this large"
    )


def _last_file(story: Story) -> str:
    came = [event for event in story.events if event.kind == "file" and event.facts.get("role")]
    if not came:
        return "it asked for its boot files by TFTP and got none"
    count = "1 file" if len(came) == 1 else f"{len(came)} files"
    return f"it fetched {count} by TFTP, {_name(came[-1])} last"


def _prefix(story: Story) -> str:
    """That its firmware gave its own folder up: it then boots what everybody boots."""
    dropped = next(
        (e for e in story.events if e.kind == "file-probed" and e.facts.get("absent")
         and asked_path(_file(e)).prefix and role_of(_file(e)) is Role.FIRMWARE
         and "no folder" in e.detail), None,
    )  # fmt: skip
    if dropped is None:
        return ""
    folder = asked_path(_file(dropped)).prefix
    return f". It found no folder {folder} and took the common files, which are not its own"


def _came(story: Story, role: Role) -> Seen | None:
    return next((e for e in reversed(story.events) if e.kind == "file" and e.facts.get("role") == role), None)


def _file(event: Seen) -> str:
    return str(event.facts.get("file") or "")


def _name(event: Seen) -> str:
    return asked_path(_file(event)).name or "a file"


JUDGES: Mapping[str, Callable[[Story], Verdict]] = {
    Stage.DHCP: _judge_dhcp,
    Stage.FIRMWARE: _judge_firmware,
    Stage.TFTP: _judge_kernel,
    Stage.SCRIPT: _judge_script,
    Stage.ISCSI: _judge_iscsi,
}
