"""The judge's whole sentences, each limit to the millisecond, and what goes before what."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.models import Outcome, Stage
from bootflow.recorder.judge import judge
from bootflow.recorder.place import STAGE_ORDER
from bootflow.recorder.story import Seen, Verdict
from tests.bootflow.recorder.test_judge import (
    ADDRESS,
    DISCOVER,
    DISK,
    ENROLLED,
    FILE,
    INSTALL,
    IPXE,
    IPXE_ADDRESS,
    LOADED,
    LOGIN,
    MISSING,
    PI,
    PROXY,
    START,
    TO_DISK,
    seen,
    told,
)

MAC = "52:54:00:00:00:01"
AT_HTTP = "check that the machine reaches HTTP port 8080 here"
ITS_DHCP = "check that the network's own DHCP server gave it an address; "
NOT_READY = {**ENROLLED, "disk": {**DISK, "ready": False, "trouble": "The disk is imported."}}
STRANGER = {**ENROLLED, "disk": DISK, "identity": False}
SERVED = seen(0.5, "dhcp", "boot-server", client="pxe")
PROXIED_IPXE = seen(0, "dhcp", "proxy", client="ipxe")
TFTP_ABORTED = seen(1, "tftp", "file-aborted")
NO_LOADER = seen(1, "tftp", "file-missing", file="undionly.kpxe")

# name: events, the seconds after the newest one that are still granted, stage, and then the whole sentence
LIMITS: dict[str, tuple[list[Seen], float, str, str]] = {
    "offer": (
        [DISCOVER], 30, "dhcp",
        "an address was offered and not taken within 30 s: another DHCP server on this network may have "
        "been faster",
    ),
    "address": (
        [DISCOVER, ADDRESS], 30, "dhcp",
        "only DHCP seen: told what to load, and no file was asked for by TFTP within 30 s: check that UDP "
        "port 69 is not blocked",
    ),
    "port 4011": (
        [PROXY, SERVED], 30, "dhcp",
        "only DHCP seen: told what to load, and no file was asked for by TFTP within 30 s: "
        f"{ITS_DHCP}check that UDP port 69 is not blocked",
    ),
    "pool": (
        [seen(0, "dhcp", "no-offer", "It asked for an address: no address available.", client="pxe")],
        30, "dhcp", "It asked for an address: no address available: check DHCP_RANGE",
    ),
    "pool used up and then not": (
        [seen(0, "dhcp", "no-offer", "No address.", client="pxe"), replace(DISCOVER, at=IPXE.at), ],
        30, "dhcp",
        "an address was offered and not taken within 30 s: another DHCP server on this network may have "
        "been faster",
    ),
    "iPXE as ROM": (
        [IPXE, IPXE_ADDRESS], 30, "dhcp",
        f"iPXE was told the address of its script and did not ask for it within 30 s: {AT_HTTP}",
    ),
    "iPXE beside another DHCP server": (
        [PROXIED_IPXE], 30, "dhcp",
        f"iPXE was told the address of its script and did not ask for it within 30 s: {ITS_DHCP}{AT_HTTP}",
    ),
    "HTTP boot": (
        [seen(0, "dhcp", "proxy", client="http")], 30, "dhcp",
        f"told where its loader is and did not fetch it within 30 s: {AT_HTTP}",
    ),
    "aborted": (
        [DISCOVER, ADDRESS, TFTP_ABORTED], 30, "tftp",
        "a TFTP transfer was begun and not finished: check the network between",
    ),
    "no loader": (
        [DISCOVER, NO_LOADER], 30, "tftp",
        "undionly.kpxe was asked for by TFTP and is not there: is the package ipxe installed?",
    ),
    "no loader, unnamed": (
        [DISCOVER, seen(1, "tftp", "file-refused")], 30, "tftp",
        "its loader was asked for by TFTP and is not there: is the package ipxe installed?",
    ),
    "one file missing, the loader there": (
        [DISCOVER, NO_LOADER, replace(FILE, at=IPXE.at)], 30, "tftp",
        "loader fetched, no script asked for within 30 s: the machine reached TFTP but not HTTP port 8080",
    ),
    "Pi with all files": (
        [PI, seen(1, "firmware", "file", file="9ffefdef/start4.elf", role="firmware")], 30, "firmware",
        "it fetched 1 file by TFTP, start4.elf last, and its firmware went no further",
    ),
    "Pi": (
        [PI, MISSING], 30, "firmware",
        "start4.elf was not there (asked for as 9ffefdef/start4.elf): it is to be added to what it boots",
    ),
    "script, no record of the answer": (
        [*LOADED, seen(3, "script", "script")], 30, "script",
        "the script was fetched, and nothing was heard after it",
    ),
    "disk": (
        TO_DISK, 60, "script",
        "told to boot from debian, but no login at the iSCSI target 10.66.0.1:3260 within 60 s: check that "
        "the machine reaches 10.66.0.1:3260, and that its iPXE knows iSCSI",
    ),
    "installer": (
        [*LOADED, INSTALL], 30, "script",
        "told to start the installer debian-12, but none of its files was asked for within 30 s: " + AT_HTTP,
    ),
    "login": (
        [*TO_DISK, LOGIN], 180, "iscsi",
        "the loader logged in to its disk, but no operating system took the disk over within 180 s: check "
        "that the disk is bootable and that its operating system has iSCSI in its initramfs (open-iscsi, "
        "ISCSI_AUTO=true)",
    ),
    "installer's files missing": (
        [*LOADED, INSTALL, seen(4, "installer", "file-missing", file="debian/linux")], 20, "installer",
        "debian/linux is not among the boot files: check the installer's path",
    ),
    "waits for a person": (
        [*LOADED, told(3, {"state": "discovered"})], 60, "script",
        "it waited to be approved and stopped asking: it was switched off, or lost the network",
    ),
    "waits for its disk": (
        [*LOADED, told(3, NOT_READY)], 60, "script",
        "it waited for its disk (The disk is imported) and stopped asking: it was switched off, or lost the "
        "network",
    ),
    "waits to be known": (
        [*LOADED, told(3, STRANGER)], 60, "script",
        "it waited to be known by its address and stopped asking: it was switched off, or lost the network",
    ),
}  # fmt: skip


def verdict_after(events: list[Seen], seconds: float, **more: Any) -> Verdict:
    newest = max(event.at for event in events)
    return judge(events, newest + timedelta(seconds=seconds), mac=MAC, **more)


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_granted_whole_and_then_the_sentence_says_what_to_check(name: str) -> None:
    events, limit, stage, sentence = LIMITS[name]
    granted = verdict_after(events, limit)
    assert (granted.outcome, granted.stage, granted.finished_at) == (Outcome.RUNNING, stage, None)
    assert verdict_after(events, limit + 0.001) == Verdict(stage, Outcome.FAILED, sentence)


@pytest.mark.parametrize("name", LIMITS)
def test_a_boot_that_failed_is_over_after_ten_quiet_minutes_and_not_a_moment_before(name: str) -> None:
    events = LIMITS[name][0]
    assert verdict_after(events, 600).finished_at is None
    over = verdict_after(events, 600.001)
    assert over.finished_at == max(event.at for event in events) + timedelta(seconds=600.001)
    assert over.reason == LIMITS[name][3], "the reason is kept when the boot is over"


WENT_LOCAL = seen(20, "script", "local", "Nobody chose.")
ASKED_AGAIN = told(21, {"state": "discovered"})
SAN_FAILED = seen(5, "iscsi", "sanboot-failed", "No answer.")
FETCHED = seen(9, "installer", "file", file="debian/linux")
NOT_STARTED = seen(10, "installer", "installer-failed", "Too little memory.")
NOT_THERE = seen(8, "installer", "file-missing", file="debian/linux")
ONLINE = seen(60, "os", "online")
TAKEOVER = seen(30, "os", "takeover")

# Which of two things that were both seen decides: events, seconds after the newest, outcome, reason
ORDER: dict[str, tuple[list[Seen], float, str, str]] = {
    "system before sanboot's failure": ([*TO_DISK, SAN_FAILED, TAKEOVER], 1, "ok", ""),
    "system before a local boot": ([*TO_DISK, WENT_LOCAL, ONLINE], 1, "ok", ""),
    "local before sanboot's failure": ([*TO_DISK, SAN_FAILED, WENT_LOCAL], 1, "local", "Nobody chose."),
    "local before the installer's": ([INSTALL, NOT_STARTED, WENT_LOCAL], 1, "local", "Nobody chose."),
    "local without words": (
        [*LOADED, replace(WENT_LOCAL, detail="")], 1, "local", "It went on to its local disk.",
    ),
    "a question after a local boot": (
        [told(3, ENROLLED), WENT_LOCAL, ASKED_AGAIN], 1, "", "Waits to be approved; its console shows the "
        "code MSVR.",
    ),
    "a login after sanboot's failure": ([*TO_DISK, replace(SAN_FAILED, at=START), LOGIN], 30, "", ""),
    "sanboot's failure after a login": (
        [*TO_DISK, replace(LOGIN, at=SAN_FAILED.at), SAN_FAILED], 0, "failed", "No answer.",
    ),
    "sanboot's failure, a login, and silence": (
        [*TO_DISK, replace(SAN_FAILED, at=START), LOGIN], 30.001, "failed", "No answer.",
    ),
    "sanboot's failure without words": (
        [*TO_DISK, replace(SAN_FAILED, detail="")], 0, "failed", "The machine could not boot its disk.",
    ),
    "a file that came after it was missing": (
        [INSTALL, NOT_THERE, FETCHED], 20.001, "ok", "The installer's files were fetched; it runs.",
    ),
    "a file that was missing after one came": (
        [INSTALL, replace(FETCHED, at=START), NOT_THERE], 20.001, "failed",
        "debian/linux is not among the boot files: check the installer's path",
    ),
    "an installer that fetches on": ([INSTALL, FETCHED], 20, "", ""),
    "the installer's failure before its files": ([INSTALL, FETCHED, NOT_STARTED], 0, "failed",
        "Too little memory."),
    "the installer's failure without words": (
        [INSTALL, replace(NOT_STARTED, detail="")], 0, "failed", "The installer could not be started.",
    ),
    "the newest answer before an older one": (
        [told(3, {"state": "discovered"}), told(9, {"state": "disabled"})], 1, "local",
        "This device is disabled, so it was sent to its local disk.",
    ),
    "an unknown machine that gave up": (
        [told(3, {"state": "discovered", "gave_up": True})], 1, "local",
        "Nobody approved this device within 10 minutes.",
    ),
    "boot once: local before its disk": (
        [told(3, {**ENROLLED, "disk": DISK, "boot_once": "local"})], 1, "local",
        "This boot was set to the local disk.",
    ),
    "boot once: the menu before its disk": (
        [told(3, {**ENROLLED, "disk": DISK, "boot_once": "menu"})], 1, "menu",
        "This boot was set to the menu.",
    ),
    "a check-in counts as a question": (
        [replace(told(3, {"state": "disabled"}), kind="check-in")], 1, "local",
        "This device is disabled, so it was sent to its local disk.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDER)
def test_of_two_things_seen_one_decides(name: str) -> None:
    events, after, outcome, reason = ORDER[name]
    verdict = verdict_after(events, after)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)


@pytest.mark.parametrize(("after", "over"), [(30, False), (30.001, True)])
def test_a_local_boot_that_was_told_is_over_when_nothing_follows_it(after: float, over: bool) -> None:
    verdict = verdict_after([told(3, {"state": "disabled"})], after)
    assert verdict.outcome == Outcome.LOCAL
    assert (verdict.finished_at is not None) is over


def test_a_machine_that_waits_is_judged_by_when_it_was_last_heard() -> None:
    events = [*LOADED, told(3, {"state": "discovered"})]
    hours = timedelta(hours=7)
    waiting = judge(events, START + hours, mac=MAC, last_event_at=START + hours - timedelta(seconds=60))
    assert waiting.outcome == Outcome.RUNNING
    gone = judge(events, START + hours, mac=MAC, last_event_at=START + hours - timedelta(seconds=61))
    assert gone.outcome == Outcome.FAILED


def test_a_last_sign_that_is_older_than_the_newest_event_is_not_believed() -> None:
    early = START - timedelta(days=1)
    verdict = judge([DISCOVER], START + timedelta(seconds=40), mac=MAC, last_event_at=early)
    assert (verdict.outcome, verdict.finished_at) == (Outcome.FAILED, None)


PLANS = [
    {}, ENROLLED, NOT_READY, STRANGER, {"state": "discovered"}, {"state": "disabled"}, {"state": "new one"},
    {**ENROLLED, "disk": DISK}, {**ENROLLED, "boot_once": "menu"}, {"state": "discovered", "gave_up": True},
    INSTALL.facts["plan"],
]  # fmt: skip
KINDS = [
    "discover", "address", "proxy", "boot-server", "refused", "ignored", "no-offer", "file", "file-missing",
    "file-refused", "file-failed", "file-aborted", "script", "check-in", "login", "logout", "login-again",
    "takeover", "local", "sanboot-failed", "installer-failed", "online", "boot-once-spent", "never heard of",
]  # fmt: skip
CLIENTS = ["pxe", "ipxe", "rpi", "http", "os", ""]
OF_INSTALLER = ["file", "file-missing", "installer-failed"]  # nothing else is ever of that stage
placed = st.sampled_from([
    (stage, kind) for stage in Stage.values
    for kind in (OF_INSTALLER if stage == Stage.INSTALLER else KINDS)
])  # fmt: skip
anything = st.builds(
    lambda at, what, plan, client: seen(at, *what, plan=plan, client=client),
    st.integers(0, 900), placed, st.sampled_from(PLANS), st.sampled_from(CLIENTS),
)  # fmt: skip
stories = st.lists(anything, min_size=1, max_size=10).map(lambda them: sorted(them, key=lambda it: it.at))


@given(stories, st.floats(0, 2000))
def test_the_stage_is_the_furthest_one_and_never_falls_back(story: list[Seen], after: float) -> None:
    stages = [verdict_after(story[:n], after).stage for n in range(1, len(story) + 1)]
    assert stages == [
        max((event.stage for event in story[:n]), key=lambda stage: STAGE_ORDER[stage])
        for n in range(1, len(story) + 1)
    ]


@given(stories, st.floats(0, 2000), st.floats(0, 2000))
def test_waiting_longer_never_turns_a_failure_into_hope(
    story: list[Seen], after: float, longer: float
) -> None:
    early, late = verdict_after(story, after), verdict_after(story, after + longer)
    if early.outcome == Outcome.FAILED:
        assert late.outcome in {Outcome.FAILED, Outcome.OK}
    if early.outcome == Outcome.OK:
        assert late == early


@given(stories)
def test_after_a_day_nothing_goes_on_any_more(story: list[Seen]) -> None:
    verdict = verdict_after(story, 86_400)
    assert verdict.outcome != Outcome.RUNNING
    assert isinstance(verdict.finished_at, datetime)
    if verdict.outcome in {Outcome.FAILED, Outcome.LOCAL, Outcome.MENU}:
        assert verdict.reason
