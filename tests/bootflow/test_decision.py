"""Who boots what: each rule once, and that every situation has an answer."""

from __future__ import annotations

import dataclasses
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow import ipxe
from bootflow.answers import answer_for
from bootflow.checkin import Secret
from bootflow.decision import (
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
from bootflow.ipxe import Server

MAC = "52:54:00:12:34:56"
DISK = Disk("disk-1", "iqn.x:disk-1", "iqn.x:device.525400123456", "10.66.0.1", 3260, True)
HALF = dataclasses.replace(DISK, ready=False)
HOMELESS = dataclasses.replace(DISK, address="")
BROKEN = dataclasses.replace(DISK, ready=False, trouble="tgtd is away.")
PAUSED = dataclasses.replace(DISK, ready=False, mode="overlay", paused=True, due="reset")
DUE = dataclasses.replace(DISK, mode="overlay", persistence="reset", version=3, due="reset")
MOVING = dataclasses.replace(DUE, due="move")
DEBIAN = Files("debian", "debian", "linux", "initrd.gz", "")
KNOWN = Situation(MAC, "enrolled", "pc-07", "x64")
WITH_DISK = dataclasses.replace(KNOWN, disk=DISK, identity=True)


def changed(situation: Situation, **fields: object) -> Situation:
    return dataclasses.replace(situation, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        (WITH_DISK, BootImage),
        (changed(WITH_DISK, identity=None), BootImage),
        (changed(WITH_DISK, identity=False), ProveIdentity),
        (changed(WITH_DISK, disk=HALF), Wait),
        (changed(WITH_DISK, disk=HOMELESS), Wait),
        (changed(WITH_DISK, disk=HALF, identity=False), Wait),
        (changed(WITH_DISK, disk=DUE), Wait),
        (changed(WITH_DISK, disk=DUE, identity=None), BootImage),
        (changed(WITH_DISK, disk=DUE, identity=False), ProveIdentity),
        (changed(WITH_DISK, disk=DUE, boot_once="local"), BootLocal),
        (changed(WITH_DISK, disk=PAUSED), Wait),
        (KNOWN, BootMenu),
        (changed(WITH_DISK, boot_once="local"), BootLocal),
        (changed(WITH_DISK, boot_once="menu"), BootMenu),
        (changed(WITH_DISK, boot_once="installer", installer=DEBIAN), BootInstaller),
        (changed(WITH_DISK, boot_once="installer"), BootImage),
        (changed(WITH_DISK, disk=HALF, boot_once="local"), BootLocal),
        (changed(WITH_DISK, state="disabled"), Disabled),
        (changed(WITH_DISK, state="disabled", boot_once="menu"), Disabled),
        (changed(KNOWN, state="discovered"), AwaitApproval),
        (changed(KNOWN, state="discovered", gave_up=True), BootLocal),
        (changed(KNOWN, state=""), AwaitApproval),
        (changed(WITH_DISK, state="ignored", boot_once="menu"), Ignored),
        (changed(WITH_DISK, gave_up=True), BootImage),
    ],
)  # fmt: skip
def test_each_rule(now: Situation, kind: type[object]) -> None:
    assert isinstance(decide(now), kind)


def test_a_wait_tells_what_it_waits_for() -> None:
    waiting = decide(changed(WITH_DISK, disk=BROKEN))
    assert isinstance(waiting, Wait)
    assert waiting.why == "tgtd is away."


@pytest.mark.parametrize(
    ("disk", "why", "refresh", "seconds"),
    [
        (DUE, "Its disk is being reset.", True, 1),
        (MOVING, "Its disk is moving to another version.", True, 1),
        (dataclasses.replace(MOVING, ready=False, trouble="No version."), "No version.", True, 1),
        (dataclasses.replace(DUE, ready=False), "Its disk is being reset.", True, 1),
        (PAUSED, "Its disk is paused: its storage node is short of room. It goes on when there is room.",
         False, 3),
        (HOMELESS, "The storage node has told no address yet.", False, 3),
    ],
)  # fmt: skip
def test_an_overlay_that_is_to_begin_anew_is_asked_for_unless_it_is_paused(
    disk: Disk, why: str, refresh: bool, seconds: int
) -> None:
    waiting = decide(changed(WITH_DISK, disk=disk))
    assert isinstance(waiting, Wait)
    assert (waiting.why, waiting.refresh, waiting.seconds) == (why, refresh, seconds)


def test_an_unknown_machine_is_told_its_code() -> None:
    waiting = decide(Situation(MAC, "discovered"))
    assert isinstance(waiting, AwaitApproval)
    assert waiting.code == "Z98F"


disks = st.builds(
    Disk, st.text(), st.text(), st.text(), st.sampled_from(["", "10.0.0.1"]), st.integers(0, 65535),
    st.booleans(), st.text(), st.sampled_from(["", "exclusive", "overlay"]),
    st.sampled_from(["", "keep", "reset"]), st.none() | st.integers(1), st.booleans(),
    st.sampled_from(["", "reset", "move"]),
)  # fmt: skip
files = st.builds(Files, st.text(), st.text(), st.text(), st.text(), st.text())
situations = st.builds(
    Situation,
    mac=st.just(MAC),
    state=st.sampled_from(["", "discovered", "enrolled", "disabled", "ignored"]) | st.text(),
    name=st.text(),
    device_type=st.text(),
    kernel_set=st.text(),
    boot_once=st.sampled_from(["", "local", "menu", "installer"]) | st.text(),
    disk=st.none() | disks,
    installer=st.none() | files,
    installers=st.lists(files, max_size=3).map(tuple),
    identity=st.sampled_from([None, True, False]),
    gave_up=st.booleans(),
)


@given(situations)
def test_every_situation_has_a_decision_and_the_same_one_each_time(now: Situation) -> None:
    decision = decide(now)
    assert isinstance(decision, typing.get_args(BootDecision))
    assert decide(now) == decision


@given(situations)
def test_a_machine_that_is_not_enrolled_never_gets_a_disk(now: Situation) -> None:
    if now.state != "enrolled":
        assert not isinstance(decide(now), BootImage | Wait | ProveIdentity | BootInstaller)


SECRET = Secret("account", "0123456789abcdef")
COMMANDS = {
    "#!ipxe", "isset", "set", "clear", "echo", "prompt", "menu", "item", "choose", "goto", "chain", "sanboot",
    "sanunhook", "iseq", "exit", "reboot", "imgfree", "kernel", "initrd", "boot",
}  # fmt: skip


@given(situations)
def test_whatever_the_names_hold_only_our_commands_stand_in_a_script(now: Situation) -> None:
    script = ipxe.render(Server("http://10.66.0.1:8080/boot/", MAC, 1), now, decide(now), SECRET)
    assert script.startswith("#!ipxe\n")
    for line in script.splitlines():
        assert line.split(" ")[0] in COMMANDS or line.startswith(":"), line
        assert line.isascii()
        assert not line.endswith("\\")


@given(situations)
def test_what_a_console_shows_fits_its_80_columns(now: Situation) -> None:
    script = ipxe.render(Server("http://10.66.0.1:8080/boot/", MAC, 1), now, decide(now), SECRET)
    shown = [line.partition(" ")[2] for line in script.splitlines() if line.startswith(("echo", "menu"))]
    assert max(map(len, shown), default=0) < 110  # `menu` lines carry their guard
    assert all(len(text) < 80 for text in shown if "||" not in text)


@given(situations)
def test_a_secret_is_only_told_with_the_disk_it_opens(now: Situation) -> None:
    decision = decide(now)
    script = ipxe.render(Server("http://10.66.0.1:8080/boot/", MAC, 1), now, decision, SECRET)
    assert (SECRET.password in script) == isinstance(decision, BootImage)


@given(situations)
def test_the_rest_answer_has_an_action_for_every_decision(now: Situation) -> None:
    answer = answer_for(now, decide(now))
    assert answer["action"] in {"boot_image", "boot_default", "show_menu", "disabled"}


@given(situations)
def test_every_command_that_may_fail_is_guarded(now: Situation) -> None:
    script = ipxe.render(Server("http://10.66.0.1:8080/boot/", MAC, 1), now, decide(now), SECRET)
    harmless = {"#!ipxe", "set", "echo", "item", "goto", "exit"}
    for line in script.splitlines():
        if line.split(" ")[0] not in harmless and not line.startswith(":"):
            assert "||" in line, line
