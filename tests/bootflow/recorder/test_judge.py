"""The judge: how a boot stands, and the sentence that says where it stopped and what to check."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.models import Outcome, Stage
from bootflow.recorder.judge import judge as judge_of
from bootflow.recorder.story import Seen, Verdict

START = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
DISK = {
    "image_id": "debian", "iqn": "iqn.2026-02.local.netboot:debian", "initiator_name": "x",
    "address": "10.66.0.1", "port": 3260, "ready": True, "trouble": "",
}  # fmt: skip
ENROLLED = {"state": "enrolled", "name": "pc", "device_type": "x64"}


def seen(at: float, stage: str, kind: str, detail: str = "", **facts: Any) -> Seen:
    return Seen(START + timedelta(seconds=at), stage, kind, detail, facts)


def told(at: float, plan: dict[str, Any]) -> Seen:
    return seen(at, "script", "script", plan=plan)


def judge(events: list[Seen], now: datetime, **more: Any) -> Verdict:
    return judge_of(events, now, mac="52:54:00:00:00:01", **more)


DISCOVER = seen(0, "dhcp", "discover", client="pxe", architecture=0)
ADDRESS = seen(0.1, "dhcp", "address", client="pxe")
FILE = seen(1, "tftp", "file", file="undionly.kpxe")
IPXE = seen(2, "dhcp", "discover", client="ipxe")
IPXE_ADDRESS = seen(2.1, "dhcp", "address", client="ipxe")
LOADED = [DISCOVER, ADDRESS, FILE, IPXE, IPXE_ADDRESS]
PROXY = seen(0, "dhcp", "proxy", client="pxe", architecture=7)
PI = seen(0, "dhcp", "discover", client="rpi")
TO_DISK = [*LOADED, told(3, {**ENROLLED, "disk": DISK})]
LOGIN = seen(4, "iscsi", "login")
MISSING = seen(1, "firmware", "file-missing", file="9ffefdef/start4.elf", role="firmware")
FILES = {"name": "debian-12", "path": "debian", "kernel": "linux", "initrd": "initrd.gz", "cmdline": ""}
INSTALL = told(3, {**ENROLLED, "boot_once": "installer", "installer": FILES})

STOPPED = {
    "offered, not taken": ([DISCOVER], 31, "another DHCP server on this network may have been faster"),
    "address, no file": ([DISCOVER, ADDRESS], 31, "no file was asked for by TFTP within 30 s"),
    "proxy, no file": ([PROXY], 31, "check that the network's own DHCP server gave it an address"),
    "pool used up": (
        [seen(0, "dhcp", "no-offer", "It asked for an address: no address available.", client="pxe")],
        31,
        "no address available: check DHCP_RANGE",
    ),
    "HTTP boot, no loader": (
        [seen(0, "dhcp", "discover", client="http"), seen(1, "dhcp", "address", client="http")],
        32,
        "told where its loader is and did not fetch it within 30 s",
    ),
    "iPXE as ROM, no script": ([IPXE, IPXE_ADDRESS], 40, "reaches HTTP port 8080"),
    "loader, nothing more": (
        [DISCOVER, ADDRESS, FILE],
        32,
        "loader fetched, no script asked for within 30 s: the machine reached TFTP but not HTTP port 8080",
    ),
    "loader, iPXE's DHCP, no script": (
        LOADED,
        33,
        "iPXE got its address, but no script was asked for within 30 s: the machine reached TFTP but not",
    ),
    "loader missing": (
        [DISCOVER, ADDRESS, seen(1, "tftp", "file-missing", file="undionly.kpxe")],
        32,
        "undionly.kpxe was asked for by TFTP and is not there: is the package ipxe installed?",
    ),
    "transfer broken off": (
        [DISCOVER, ADDRESS, seen(1, "tftp", "file-aborted")], 32, "begun and not finished",
    ),
    "Pi without files": ([PI, MISSING], 32, "start4.elf was not there (asked for as 9ffefdef/start4.elf)"),
    "Pi, only DHCP": ([PI], 31, "no file was asked for by TFTP"),
    "disk, no login": (TO_DISK, 64, "from debian, but no login at the iSCSI target 10.66.0.1:3260"),
    "login, no system": ([*TO_DISK, LOGIN], 185, "no operating system took the disk over within 180 s"),
    "sanboot failed": (
        [*TO_DISK, seen(5, "iscsi", "sanboot-failed", "The target refused the password.")],
        6,
        "The target refused the password.",
    ),
    "installer never fetched": ([*LOADED, INSTALL], 34, "told to start the installer debian-12"),
    "installer's file missing": (
        [*LOADED, INSTALL, seen(4, "installer", "file-missing", file="debian/linux")],
        25,
        "debian/linux is not among the boot files",
    ),
    "installer failed": (
        [*LOADED, INSTALL, seen(4, "installer", "installer-failed", "No such file.")], 5, "No such file.",
    ),
    "target not ready, and gone": (
        [*LOADED, told(3, {**ENROLLED, "disk": {**DISK, "ready": False, "trouble": "tgtd is down."}})],
        64,
        "it waited for its disk (tgtd is down) and stopped asking",
    ),
    "unknown, and gone": (
        [*LOADED, told(3, {"state": "discovered"})], 64, "it waited to be approved and stopped asking",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STOPPED)
def test_a_boot_that_stopped_says_where_and_what_to_check(name: str) -> None:
    events, after, reason = STOPPED[name]
    verdict = judge(events, START + timedelta(seconds=after))
    assert verdict.outcome == Outcome.FAILED
    assert reason in verdict.reason


@pytest.mark.parametrize("name", STOPPED)
def test_the_same_boot_is_not_given_up_while_it_may_go_on(name: str) -> None:
    events, _, _ = STOPPED[name]
    if name in ("sanboot failed", "installer failed"):
        return
    verdict = judge(events, events[-1].at + timedelta(seconds=15))
    assert verdict.outcome == Outcome.RUNNING, verdict


@pytest.mark.parametrize("name", STOPPED)
def test_a_failed_boot_is_over_once_nothing_has_been_heard_for_ten_minutes(name: str) -> None:
    events, after, _ = STOPPED[name]
    assert judge(events, START + timedelta(seconds=after)).finished_at is None
    later = START + timedelta(minutes=15)
    assert judge(events, later).finished_at == later


def test_a_machine_that_repeats_itself_for_hours_has_failed_but_is_not_over() -> None:
    now = START + timedelta(hours=3)
    verdict = judge([DISCOVER], now, last_event_at=now - timedelta(seconds=2))
    assert (verdict.outcome, verdict.finished_at) == (Outcome.FAILED, None)


def test_the_second_login_is_the_operating_system() -> None:
    takeover = seen(30, "os", "takeover")
    verdict = judge([*TO_DISK, LOGIN, takeover], START + timedelta(seconds=31))
    assert verdict == Verdict(Stage.OS, Outcome.OK, "", takeover.at)


def test_a_system_that_says_it_is_up_is_ok_whatever_failed_before() -> None:
    events = [*TO_DISK, seen(4, "iscsi", "sanboot-failed", "x"), seen(60, "os", "online")]
    assert judge(events, START + timedelta(hours=1)).outcome == Outcome.OK


def test_a_sanboot_that_failed_and_then_logged_in_goes_on() -> None:
    events = [
        *TO_DISK,
        seen(4, "iscsi", "sanboot-failed", "x"),
        replace(LOGIN, at=START + timedelta(seconds=9)),
    ]
    assert judge(events, START + timedelta(seconds=10)).outcome == Outcome.RUNNING


def test_a_machine_that_went_to_its_local_disk_is_local_and_over() -> None:
    local = seen(9, "script", "local", "Nobody chose.")
    verdict = judge([*TO_DISK, local], START + timedelta(seconds=10))
    assert (verdict.outcome, verdict.reason, verdict.finished_at) == (
        Outcome.LOCAL,
        "Nobody chose.",
        local.at,
    )


def test_a_disabled_device_is_local() -> None:
    verdict = judge([*LOADED, told(3, {"state": "disabled"})], START + timedelta(seconds=4))
    assert (verdict.outcome, verdict.reason) == (
        Outcome.LOCAL, "This device is disabled, so it was sent to its local disk.",
    )  # fmt: skip


def test_a_device_with_nothing_assigned_is_in_the_menu() -> None:
    verdict = judge([*LOADED, told(3, ENROLLED)], START + timedelta(seconds=4))
    assert (verdict.outcome, verdict.reason) == (Outcome.MENU, "No disk is assigned to this device.")


def test_an_unknown_machine_waits_and_its_code_is_told() -> None:
    now = START + timedelta(hours=5)
    verdict = judge(
        [*LOADED, told(3, {"state": "discovered"})], now,
        last_event_at=now - timedelta(seconds=3),
    )  # fmt: skip
    assert verdict.outcome == Outcome.RUNNING
    assert "Waits to be approved; its console shows the code" in verdict.reason


def test_an_installer_whose_files_were_fetched_runs() -> None:
    file = seen(9, "installer", "file", file="debian/initrd.gz")
    verdict = judge([*LOADED, INSTALL, file], START + timedelta(seconds=40))
    assert (verdict.outcome, verdict.finished_at) == (Outcome.OK, file.at)


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ({**ENROLLED, "disk": {**DISK, "ready": False}}, "Waits for its disk: Its disk is being made ready."),
        ({**ENROLLED, "disk": DISK, "identity": False}, "Its identity could not be checked"),
    ],
)
def test_a_machine_that_waits_says_what_for(plan: dict[str, Any], reason: str) -> None:
    verdict = judge([*LOADED, told(3, plan)], START + timedelta(seconds=20))
    assert verdict.outcome == Outcome.RUNNING
    assert verdict.reason.startswith(reason)


def test_the_port_in_the_reason_is_the_one_that_is_served() -> None:
    assert (
        "port 9090" in judge([DISCOVER, ADDRESS, FILE], START + timedelta(minutes=1), http_port=9090).reason
    )


KINDS = [
    "discover", "address", "proxy", "file", "file-missing", "script", "check-in", "login", "logout",
    "local", "sanboot-failed", "no-offer", "takeover", "online", "boot-once-spent",
]  # fmt: skip
plans = st.sampled_from([{}, ENROLLED, {"state": "discovered"}, {**ENROLLED, "disk": DISK}])
events = st.builds(
    lambda at, stage, kind, plan: seen(at, stage, kind, plan=plan),
    st.floats(0, 1000), st.sampled_from(Stage.values), st.sampled_from(KINDS), plans,
)  # fmt: skip


@given(st.lists(events, min_size=1, max_size=12), st.floats(0, 5000))
def test_any_events_have_a_verdict_and_a_failure_always_a_reason(story: list[Seen], after: float) -> None:
    ordered = sorted(story, key=lambda event: event.at)
    verdict = judge(ordered, ordered[-1].at + timedelta(seconds=after))
    assert verdict.stage in Stage.values
    assert verdict.outcome != Outcome.FAILED or verdict.reason
    assert verdict.finished_at is None or verdict.outcome != Outcome.RUNNING
