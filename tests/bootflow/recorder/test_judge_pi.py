"""A Raspberry Pi's boot: how it stands, and that a stop names the missing file or the silent protocol."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow.models import Outcome, Stage
from bootflow.recorder.judge import judge as judge_of
from bootflow.recorder.judge_pi import RESTARTED
from bootflow.recorder.story import Seen, Verdict
from tests.bootflow.recorder.test_judge import DISK, ENROLLED, START, seen

MAC = "dc:a6:32:00:00:07"
PI = seen(0, "dhcp", "discover", client="rpi")
PROXY = seen(0, "dhcp", "proxy", client="rpi")
TREE = {"state": "ready", "why": "", "missing": []}
READY = {**ENROLLED, "device_type": "raspi", "disk": DISK, "tree": TREE}


def judge(events: list[Seen], after: float, **more: Any) -> Verdict:
    return judge_of(
        events, START + timedelta(seconds=after), mac=MAC, **{"boots": "the kernel set lab", **more}
    )


def file(at: float, name: str, kind: str = "file", role: str = "firmware", **facts: Any) -> Seen:
    stage = "firmware" if role == "firmware" else "tftp"
    return seen(at, stage, kind, file=name, role=role, **facts)


def missing(at: float, name: str, role: str = "firmware") -> Seen:
    return file(at, name, "file-missing", role)


def look(at: float, name: str, role: str = "firmware", detail: str = "") -> Seen:
    one = file(at, name, "file-probed", role, absent=True)
    return Seen(one.at, one.stage, one.kind, detail, one.facts)


def asked(at: float, plan: dict[str, Any], system: str) -> Seen:
    return seen(at, "script", "script", plan=plan, system=system)


START4 = file(1, "9ffefdef/start4.elf")
KERNEL, INITRAMFS = (
    file(2, "9ffefdef/kernel8.img", role="kernel"),
    file(3, "9ffefdef/initramfs8", role="initramfs"),
)
LOADED = [PI, START4, KERNEL, INITRAMFS]
CHECKED_IN = asked(5, READY, "initramfs")
LINUX = seen(4, "dhcp", "discover", client="os")
DROPPED = look(
    0.5, "11223344/start4.elf",
    detail="Looked for 11223344/start4.elf, which need not be there: no folder 11223344 is there.",
)  # fmt: skip
COMMON = [
    PI,
    DROPPED,
    file(1, "start4.elf"),
    file(2, "vmlinuz", role="kernel"),
    file(3, "initrd.gz", role="initramfs"),
]
STOPPED: dict[str, tuple[list[Seen], float, list[str]]] = {
    "only DHCP": ([PI], 30, [
        "DHCP was answered and no file was asked for by TFTP within 30 s", "no other server on this network",
        "UDP port 69", "spanning tree: portfast",
    ]),
    "only a proxy's answer": ([PROXY], 30, ["the network's own DHCP server gave it an address"]),
    "no address left": (
        [seen(0, "dhcp", "no-offer", "It asked for an address: no address available.", client="rpi")], 30,
        ["no address available: check DHCP_RANGE"],
    ),
    "firmware file missing": ([PI, missing(1, "9ffefdef/start4.elf")], 30, [
        "start4.elf was not there (asked for as 9ffefdef/start4.elf)", "to be added to the kernel set lab",
    ]),
    "device tree and kernels missing": (
        [PI, START4, missing(2, "9ffefdef/bcm2711-rpi-4-b.dtb"), look(3, "9ffefdef/kernel8.img", "kernel"),
         missing(4, "9ffefdef/kernel7l.img", "kernel")], 30,
        ["bcm2711-rpi-4-b.dtb and kernel8.img and kernel7l.img were not there"],
    ),
    "initramfs missing": (
        [PI, START4, KERNEL, missing(3, "9ffefdef/initramfs8", "initramfs")], 30,
        ["initramfs8 was not there"],
    ),
    "firmware stops in the middle": ([PI, START4], 30, [
        "it fetched 1 file by TFTP, start4.elf last, and its firmware went no further",
    ]),
    "a transfer broke": ([PI, START4, file(40, "9ffefdef/initramfs8", "file-failed", "initramfs")], 30, [
        "initramfs8 did not arrive whole", "TFTP_FILE_TIMEOUT",
    ]),
    "kernel silent": (LOADED, 120, [
        "kernel8.img and initramfs8 were fetched, and nothing was heard of it within 120 s",
    ]),
    "kernel silent, without an initramfs": ([PI, START4, KERNEL], 120, ["without one it has no iSCSI"]),
    "Linux silent": ([*LOADED, LINUX], 120, ["Linux asked for an address", "HTTP port 8080"]),
    "its folder was not found": (COMMON, 120, ["It found no folder 11223344 and took the common files"]),
    "no login": ([*LOADED, CHECKED_IN], 60, [
        "told to boot from debian, but no login at the iSCSI target 10.66.0.1:3260 within 60 s",
        "older password",
    ]),
    "login, no system": ([*LOADED, CHECKED_IN, seen(6, "iscsi", "login")], 180, [
        "its initramfs logged in to its disk, but no operating system was seen within 180 s",
    ]),
    "login and out": (
        [*LOADED, CHECKED_IN, seen(6, "iscsi", "login"), seen(9, "iscsi", "logout")], 30,
        ["the session ended before an operating system was seen"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STOPPED)
def test_a_boot_that_stopped_says_what_was_missing_or_silent(name: str) -> None:
    events, limit, words = STOPPED[name]
    last = (events[-1].at - START).total_seconds()
    assert judge(events, last + limit).outcome == Outcome.RUNNING
    verdict = judge(events, last + limit + 0.001)
    assert verdict.outcome == Outcome.FAILED
    assert [word for word in words if word not in verdict.reason] == [], verdict.reason


def test_what_was_found_after_all_is_not_named() -> None:
    events = [PI, missing(1, "11223344/start4.elf"), file(2, "start4.elf"), missing(3, "config.txt")]
    reason = judge(events, 60).reason
    assert "start4.elf" not in reason
    assert "config.txt was not there" in reason


def test_an_overlay_that_is_missing_stops_no_boot() -> None:
    reason = judge([PI, START4, missing(2, "9ffefdef/overlays/x.dtbo")], 60).reason
    assert "x.dtbo was not there" not in reason


def test_a_pi_that_nobody_knows_and_that_found_nothing_is_helped_by_approval_or_the_waiting_system() -> None:
    reason = judge([PI, missing(1, "9ffefdef/start4.elf"), missing(2, "start4.elf")], 60, boots="").reason
    assert "approve it, or build the waiting system (manage.py build_waiting_system)" in reason


def test_a_device_tree_that_was_missing_is_named_when_the_kernel_says_nothing() -> None:
    events = [PI, START4, missing(1.5, "9ffefdef/bcm2711-rpi-4-b.dtb"), KERNEL, INITRAMFS]
    assert "bcm2711-rpi-4-b.dtb was not there" in judge(events, 200).reason


def test_a_file_that_came_at_the_second_try_is_no_fault() -> None:
    broken = file(2, "9ffefdef/initramfs8", "file-failed", "initramfs")
    assert "did not arrive" not in judge([PI, START4, KERNEL, broken, INITRAMFS], 500).reason


UNREADY = {**DISK, "ready": False}
WAITS = {
    "to be approved": ({"state": "discovered"}, "Waits to be approved; its console shows the code"),
    "for its disk": (
        {**READY, "disk": UNREADY, "tree": None},
        "Waits for its disk: Its disk is being made",
    ),
    "as a disabled device": ({"state": "disabled"}, "This device is disabled: it waits."),
    "with nothing to boot": ({**ENROLLED, "tree": None}, "No disk is assigned to this device."),
    "for its boot files": ({**READY, "tree": None}, "Waits for its boot files"),
}


@pytest.mark.parametrize("name", WAITS)
def test_a_waiting_system_that_keeps_asking_waits_and_says_what_for(name: str) -> None:
    plan, reason = WAITS[name]
    now = START + timedelta(hours=2)
    verdict = judge([*COMMON, asked(5, plan, "waiting")], 7200, last_event_at=now - timedelta(seconds=3))
    assert verdict.outcome == Outcome.RUNNING
    assert verdict.reason.startswith(reason)


@pytest.mark.parametrize("name", WAITS)
def test_one_that_has_stopped_asking_has_failed(name: str) -> None:
    verdict = judge([*COMMON, asked(5, WAITS[name][0], "waiting")], 80)
    assert verdict.outcome == Outcome.FAILED
    assert f"it waited {name}" in verdict.reason


def test_a_waiting_system_that_was_told_to_restart_ends_its_boot_well() -> None:
    waited, told = asked(5, {"state": "discovered"}, "waiting"), asked(60, READY, "waiting")
    verdict = judge([*COMMON, waited, told], 61)
    assert verdict == Verdict(Stage.SCRIPT, Outcome.OK, RESTARTED, told.at)


def test_an_initramfs_that_was_told_to_boot_goes_on() -> None:
    assert judge([*LOADED, CHECKED_IN], 10).outcome == Outcome.RUNNING


@pytest.mark.parametrize("kind", ["settled", "takeover", "online"])
def test_any_sign_of_its_system_ends_the_boot_well(kind: str) -> None:
    event = seen(40, "os", kind)
    assert judge([*LOADED, CHECKED_IN, event], 999) == Verdict(Stage.OS, Outcome.OK, "", event.at)


def test_a_pi_whose_own_files_are_uefi_firmware_is_judged_as_the_pc_that_it_plays() -> None:
    uefi = seen(5, "dhcp", "discover", client="pxe", architecture=11)
    loader = seen(6, "tftp", "file", file="ipxe-arm64.efi")
    events = [PI, file(1, "9ffefdef/RPI_EFI.fd"), uefi, loader]
    assert "loader fetched, no script asked for" in judge(events, 60).reason
    asked_by_ipxe = seen(8, "script", "script", plan={"state": "disabled"})
    verdict = judge([*events, seen(7, "dhcp", "discover", client="ipxe"), asked_by_ipxe], 60)
    assert verdict.outcome == Outcome.LOCAL


KINDS = st.sampled_from([
    "discover", "proxy", "no-offer", "file", "file-missing", "file-probed", "file-failed", "file-refused",
    "file-aborted", "script", "login", "logout", "settled", "online",
])  # fmt: skip
names = st.sampled_from(
    ["9ffefdef/start4.elf", "kernel8.img", "9ffefdef/overlays/x.dtbo", "", "a/b/c", "9ffefdef/"]
)
roles = st.sampled_from(["firmware", "kernel", "initramfs"])
plans = st.sampled_from([{}, ENROLLED, {"state": "discovered"}, READY])
systems = st.sampled_from(["", "waiting", "initramfs"])


@st.composite
def events(draw: st.DrawFn) -> Seen:
    kind = draw(KINDS)
    return seen(
        draw(st.floats(0, 1000)), draw(st.sampled_from(Stage.values)), kind, file=draw(names),
        role=draw(roles), plan=draw(plans), system=draw(systems), client="rpi", absent=kind == "file-probed",
    )  # fmt: skip


@given(st.lists(events(), min_size=1, max_size=12), st.floats(0, 5000))
def test_any_events_of_a_pi_have_a_verdict_and_a_failure_always_a_reason(
    story: list[Seen], after: float
) -> None:
    ordered = sorted(story, key=lambda event: event.at)
    begin: datetime = ordered[-1].at
    verdict = judge_of(ordered, begin + timedelta(seconds=after), mac=MAC)
    assert verdict.stage in Stage.values
    assert verdict.outcome != Outcome.FAILED or verdict.reason
    assert verdict.finished_at is None or verdict.outcome != Outcome.RUNNING
