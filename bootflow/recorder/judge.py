"""How a boot stands, and when it goes no further, where it stopped and what to check. Pure.

Events come oldest first. A failed boot is not over: a slow machine may still go on, and the verdict changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from bootflow.decision import (
    AwaitApproval,
    BootImage,
    BootInstaller,
    BootLocal,
    BootMenu,
    Disabled,
    Ignored,
    ProveIdentity,
    Wait,
)
from bootflow.models import Outcome, Stage
from bootflow.recorder import judge_pi
from bootflow.recorder.story import (
    INSTALLER_RUNS_AFTER,
    LOGIN_WITHIN,
    NEXT_STEP,
    OVER_AFTER,
    TAKEOVER_WITHIN,
    Seen,
    Story,
    Verdict,
    after,
    boots_as_pi,
    seconds,
    stopped,
    waiting,
)


def judge(
    events: Sequence[Seen], now: datetime, *, mac: str, http_port: int = 8080,
    last_event_at: datetime | None = None, boots: str = "",
) -> Verdict:  # fmt: skip
    """The verdict over a boot with at least one event; `last_event_at` counts repeated ones too."""
    newest = max(event.at for event in events)
    silence = now - max(newest, last_event_at or newest)
    story = Story(mac, events, now - newest, silence, now, http_port, boots)
    own = judge_pi.JUDGES.get(story.stage) if boots_as_pi(events) else None
    verdict = (own or _judges(story.stage))(story)
    over = verdict.finished_at is None and verdict.outcome != Outcome.RUNNING and story.silence > OVER_AFTER
    return Verdict(verdict.stage, verdict.outcome, verdict.reason, now) if over else verdict


def _judges(stage: str) -> Callable[[Story], Verdict]:
    table: dict[str, Callable[[Story], Verdict]] = {
        Stage.OS: _judge_os,
        Stage.ISCSI: _judge_iscsi,
        Stage.INSTALLER: _judge_installer,
        Stage.SCRIPT: _judge_script,
        Stage.TFTP: _judge_tftp,
    }
    return table.get(stage, _judge_dhcp)


def _judge_os(story: Story) -> Verdict:
    first = next(event for event in story.events if event.stage == Stage.OS)
    return Verdict(Stage.OS, Outcome.OK, "", first.at)


def _judge_iscsi(story: Story) -> Verdict:
    went_local = _gone_local(story)
    failed, login = story.last("sanboot-failed"), story.last("login")
    if went_local:
        return went_local
    if failed and (login is None or login.at <= failed.at or story.quiet > NEXT_STEP):
        return Verdict(Stage.ISCSI, Outcome.FAILED, failed.detail or "The machine could not boot its disk.")
    if story.quiet <= TAKEOVER_WITHIN:
        return Verdict(Stage.ISCSI)
    return stopped(
        story,
        f"the loader logged in to its disk, but no operating system took the disk over within "
        f"{seconds(TAKEOVER_WITHIN)}: check that the disk is bootable and that its operating system has "
        f"iSCSI in its initramfs (open-iscsi, ISCSI_AUTO=true)",
    )


def _judge_installer(story: Story) -> Verdict:
    failed = story.last("installer-failed")
    missing = story.last("file-missing", stage=Stage.INSTALLER)
    came = story.last("file", stage=Stage.INSTALLER)
    went_local = _gone_local(story)
    if went_local:
        return went_local
    if failed:
        return Verdict(
            Stage.INSTALLER, Outcome.FAILED, failed.detail or "The installer could not be started."
        )
    if missing and (came is None or came.at < missing.at) and story.quiet > INSTALLER_RUNS_AFTER:
        return stopped(
            story, f"{missing.facts.get('file')} is not among the boot files: check the installer's path"
        )
    if came and story.quiet > INSTALLER_RUNS_AFTER:
        return Verdict(Stage.INSTALLER, Outcome.OK, "The installer's files were fetched; it runs.", came.at)
    return Verdict(Stage.INSTALLER)


def _judge_script(story: Story) -> Verdict:
    went_local = _gone_local(story)
    if went_local:
        return went_local
    match story.decision():
        case (Disabled() | Ignored()) as decision:
            word = type(decision).__name__.lower()
            return _local(story, f"This device is {word}, so it was sent to its local disk.")
        case BootLocal(why=why):
            return _local(story, why)
        case BootMenu(why=why):
            return Verdict(Stage.SCRIPT, Outcome.MENU, why)
        case AwaitApproval(code=code):
            return waiting(
                story, f"Waits to be approved; its console shows the code {code}.", "to be approved"
            )
        case Wait(why=why):
            return waiting(story, f"Waits for its disk: {why}", f"for its disk ({why.rstrip('.')})")
        case ProveIdentity():
            return waiting(story, _NO_IDENTITY, "to be known by its address")
        case BootInstaller(files=files):
            lack = f"told to start the installer {files.name}, but none of its files was asked for"
            return after(story, NEXT_STEP, f"{lack} within {seconds(NEXT_STEP)}: {_http(story)}")
        case BootImage(disk=disk):
            return after(story, LOGIN_WITHIN, _no_login(disk.image_id, disk.portal))
    return after(story, NEXT_STEP, "the script was fetched, and nothing was heard after it")


_NO_IDENTITY = (
    "Its identity could not be checked: it asked from an address that is not known to be its own, so the "
    "disk's secret was not told. Check that it is on the boot network and not behind a router."
)


def _no_login(image: str, portal: str) -> str:
    return (
        f"told to boot from {image}, but no login at the iSCSI target {portal} within "
        f"{seconds(LOGIN_WITHIN)}: check that the machine reaches {portal}, and that its iPXE knows iSCSI"
    )


def _judge_tftp(story: Story) -> Verdict:
    came = story.last("file", stage=Stage.TFTP)
    missing = story.last("file-missing", "file-refused")
    if missing and (came is None or came.at < missing.at):
        file = missing.facts.get("file") or "its loader"
        return after(
            story, NEXT_STEP, f"{file} was asked for by TFTP and is not there: is the package ipxe installed?"
        )
    if came is None:
        return after(
            story, NEXT_STEP, "a TFTP transfer was begun and not finished: check the network between"
        )
    if story.last("discover", "proxy", "address") is not None and _ipxe_asked(story, came):
        return after(story, NEXT_STEP, f"iPXE got its address, but no script was asked for {_in_time(story)}")
    return after(story, NEXT_STEP, f"loader fetched, no script asked for {_in_time(story)}")


def _in_time(story: Story) -> str:
    port = story.http_port
    return f"within {seconds(NEXT_STEP)}: the machine reached TFTP but not HTTP port {port}"


def _judge_dhcp(story: Story) -> Verdict:
    if story.last("no-offer") and not story.last("discover"):
        note = story.last("no-offer")
        return after(story, NEXT_STEP, f"{note.detail.rstrip('.') if note else ''}: check DHCP_RANGE")
    client = _client(story)
    proxied = story.last("proxy", "boot-server") is not None
    if client == "ipxe":
        lack = f"iPXE was told the address of its script and did not ask for it within {seconds(NEXT_STEP)}"
        return after(story, NEXT_STEP, f"{lack}: {_no_address(proxied)}{_http(story)}")
    if story.last("discover", "proxy") and not proxied and not story.last("address"):
        lack = f"an address was offered and not taken within {seconds(NEXT_STEP)}"
        return after(story, NEXT_STEP, f"{lack}: another DHCP server on this network may have been faster")
    if client == "http":
        lack = f"told where its loader is and did not fetch it within {seconds(NEXT_STEP)}"
        return after(story, NEXT_STEP, f"{lack}: {_http(story)}")
    lack = f"only DHCP seen: told what to load, and no file was asked for by TFTP within {seconds(NEXT_STEP)}"
    return after(story, NEXT_STEP, f"{lack}: {_no_address(proxied)}check that UDP port 69 is not blocked")


def _no_address(proxied: bool) -> str:
    return "check that the network's own DHCP server gave it an address; " if proxied else ""


def _http(story: Story) -> str:
    return f"check that the machine reaches HTTP port {story.http_port} here"


def _client(story: Story) -> str:
    asked = story.last("discover", "proxy", "boot-server", "address")
    return str(asked.facts.get("client", "")) if asked else ""


def _ipxe_asked(story: Story, after: Seen) -> bool:
    return any(event.at >= after.at and event.facts.get("client") == "ipxe" for event in story.events)


def _gone_local(story: Story) -> Verdict | None:
    """The machine said that it goes on to its local disk, and has said nothing since."""
    local, asked = story.last("local"), story.last("script")
    if local is None or (asked is not None and asked.at > local.at):
        return None
    return Verdict(story.stage, Outcome.LOCAL, local.detail or "It went on to its local disk.", local.at)


def _local(story: Story, why: str) -> Verdict:
    return Verdict(Stage.SCRIPT, Outcome.LOCAL, why, story.now if story.quiet > NEXT_STEP else None)
