"""What a Raspberry Pi says of itself in a question, and each decision as it is told."""

from __future__ import annotations

import pytest

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
    Tree,
    Wait,
)
from bootflow.raspberry_pi.asking import System, answer, asking_of, render, serial_of, system_of
from netboot_site.errors import ValidationError

MAC, OTHER = "b8:27:eb:6c:4c:16", "dc:a6:32:01:36:c2"
DISK = Disk("debian", "iqn.x:debian", "iqn.x:device", "10.66.0.1", 3260, ready=True)
READY = Situation(MAC, name="pi-1", tree=Tree("ready"))
DECISIONS: list[BootDecision] = [
    BootImage(DISK, "default"), ProveIdentity(DISK, "default"),
    Wait(DISK, "default", "Its disk is being reset."),
    AwaitApproval("Pi", "7K4Q", "raspi", ()), BootMenu("No disk is assigned.", False, "default", ()),
    BootMenu("The menu.", True, "default", ()), BootLocal("Local.", "default"), Disabled(), Ignored(),
    BootInstaller(Files("debian", "d", "linux", "", ""), "default"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "mac", "serial"),
    [
        ("00000000b66c4c16", MAC, "b66c4c16"),
        ("B66C4C16", MAC, "b66c4c16"),
        ("10000000abcdef12", OTHER, "abcdef12"),
        ("f1e2d3c4b5a69788", OTHER, "f1e2d3c4b5a69788"),
        ("00000000b66c4c17", MAC, ""),
        ("0000000000000000", OTHER, ""),
        ("00000000", OTHER, ""),
        ("abc", OTHER, ""),
        ("b66c4c16\n", MAC, "b66c4c16"),
        ("b66c4c16;x", OTHER, ""),
        ("", MAC, ""),
    ],
)
def test_a_serial_is_taken_only_if_it_can_be_this_boards(text: str, mac: str, serial: str) -> None:
    assert serial_of(text, mac) == serial


FIELDS = {
    "serial": "00000000b66c4c16",
    "model": "Raspberry Pi 3 Model B Rev 1.2",
    "revision": "00a02082",
    "retry": "4",
}


def test_what_it_says_of_itself_is_kept_if_it_asks_from_its_own_address() -> None:
    asked = asking_of(MAC, System.WAITING, FIELDS, "10.66.0.9", identity=True)
    assert asked.serial == "b66c4c16"
    assert asked.facts == {"model": "Raspberry Pi 3 Model B Rev 1.2", "board_revision": "a02082"}
    assert (asked.device_type, asked.firmware, asked.architecture) == ("raspi", "raspberry-pi", "arm64")
    assert (asked.retry, asked.system, asked.kind) == (4, "waiting", "script")


@pytest.mark.parametrize("identity", [False, None])
def test_from_another_address_nothing_of_it_is_kept(identity: bool | None) -> None:
    asked = asking_of(MAC, System.WAITING, FIELDS, "10.66.0.9", identity)
    assert (asked.serial, asked.facts, asked.firmware, asked.architecture) == ("", {}, "", "")
    assert asked.retry == 4


@pytest.mark.parametrize(
    ("model", "revision", "facts"),
    [
        ("Raspberry Pi 3 Model B", "", {"model": "Raspberry Pi 3 Model B"}),
        ("Anything", "c03111", {"model": "Raspberry Pi 4 Model B Rev 1.1", "board_revision": "c03111"}),
        ("A new one", "00ffffff", {"model": "A new one", "board_revision": "ffffff"}),
        ("", "zz", {}),
        ("Raspberry+Pi+3+Model+B+Plus", "", {"model": "Raspberry Pi 3 Model B Plus"}),
        ("x" * 500, "", {"model": "x" * 100}),
    ],
)
def test_the_boards_revision_names_the_model(model: str, revision: str, facts: dict[str, str]) -> None:
    told = asking_of(OTHER, System.WAITING, {"model": model, "revision": revision}, "", identity=True)
    assert told.facts == facts


@pytest.mark.parametrize("name", ["", "Waiting", "linux"])
def test_a_system_that_we_did_not_make_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="waiting or initramfs"):
        system_of({"system": name})


@pytest.mark.parametrize(
    ("decision", "action", "said"),
    list(zip(
        DECISIONS,
        ["boot", "boot", *["wait"] * 8],
        ["pi-1 from its disk debian", "debian", "being reset", "Code: 7K4Q", "No disk", "The menu", "Local",
         "pi-1 is disabled", "is ignored here", "installer debian"],
        strict=True,
    )),
)  # fmt: skip
def test_an_initramfs_boots_waits_for_its_disk_or_is_told_why_not(
    decision: BootDecision, action: str, said: str
) -> None:
    text = render(READY, decision, System.INITRAMFS)
    assert text.splitlines()[0] == f"action {action}"
    assert said in text


@pytest.mark.parametrize(
    ("decision", "action"),
    list(
        zip(
            DECISIONS,
            ["restart", "restart", "restart", "wait", "restart", *["wait"] * 5],
            strict=True,
        )
    ),
)
def test_the_waiting_system_restarts_as_soon_as_there_is_something_else_to_boot(
    decision: BootDecision, action: str
) -> None:
    assert render(READY, decision, System.WAITING).splitlines()[0] == f"action {action}"


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (None, "being made ready"),
        (Tree("waiting"), "being made ready"),
        (Tree("waiting", "Its disk is being read."), "Its disk is being read."),
        (Tree("incomplete", "", ("start4.elf", "fixup4.dat")), "lack start4.elf, fixup4.dat."),
        (Tree("conflict", "Two devices claim one serial."), "Two devices claim one serial."),
    ],
)
def test_it_does_not_restart_into_the_same_system_again(tree: Tree | None, said: str) -> None:
    now = Situation(MAC, tree=tree)
    for decision in (*DECISIONS[:3], DECISIONS[4]):
        text = render(now, decision, System.WAITING)
        assert text.startswith("action wait\n")
        assert said in text or "No disk is assigned" in text


def test_an_unknown_pi_shows_the_lines_of_a_pc() -> None:
    text = render(Situation(MAC), AwaitApproval("", "7K4Q", "raspi", ()), System.WAITING)
    assert text == (
        "action wait\nseconds 3\n"
        "say This device is not enrolled. Approve it in the dashboard: it then boots.\n"
        f"say Name: it told none\nsay Address: {MAC}\nsay Code: 7K4Q\nsay Asking again every 3 seconds.\n"
    )


def test_an_answer_has_no_line_that_somebody_else_wrote() -> None:
    text = answer("wait", 3, "one\naction restart\x00\x1b[2J", "ü" * 500, "y" * 2000, "")
    lines = text.splitlines()
    assert lines[:2] == ["action wait", "seconds 3"]
    assert all(line.startswith("say ") for line in lines[2:])
    assert all(line.isascii() and line.isprintable() and len(line) <= 79 for line in lines)
    assert len(lines) <= 8
