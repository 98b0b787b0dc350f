"""Every script is one that a boot loader gets through: whatever names and command lines it was made of."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootflow import ipxe
from bootflow.checkin import Secret
from bootflow.decision import BootImage, BootInstaller, Disk, Files, Situation, decide
from bootflow.ipxe import Server
from tests.bootflow.ipxe_grammar import commands, faults
from tests.bootflow.test_decision import situations
from tests.bootflow.test_ipxe_scripts import SITUATIONS

MAC = "52:54:00:12:34:56"
SERVER = Server("http://10.66.0.1:8080/boot/", MAC, 1)
SECRET = Secret("disk-1.a1b2c3", "0123456789abcdef")
HOSTILE = [
    "${net0/ip}", "a && reboot", "a || shell", "x\nshell", "x\rshell", "\u2028shell", "\x85shell", "tail \\",
    "&&&&||||", "${", "}", ":again", "#!ipxe", "goto local", "--timeout 0", "\0", "\u202egnol", "\U0001f600",
    "", " ", "\t", "a" * 5000, "&" * 600, "${" * 300, "%0a", "'\"`$(reboot)",
]  # fmt: skip
SIZE_MAX = 128 * 1024  # 20 installers, each field as long as its column


def script_of(now: Situation) -> str:
    return ipxe.render(SERVER, now, decide(now), SECRET)


def named(text: str, **more: object) -> Situation:
    disk = Disk(text, text, text, "10.66.0.1", 3260, True)
    files = tuple(Files(text[:100], text[:300], text[:300], text[:300], text[:2000]) for _ in range(20))
    plain = Situation(MAC, "enrolled", text, text, text, "", disk, files[0], files, True)
    return dataclasses.replace(plain, **more)  # type: ignore[arg-type]


WAYS: dict[str, dict[str, object]] = {
    "disk": {},
    "not ready": {"disk": Disk("d", "i", "n", "10.66.0.1", 3260, False, "tgtd is away.")},
    "stranger": {"identity": False},
    "nothing": {"disk": None},
    "menu": {"boot_once": "menu"},
    "local": {"boot_once": "local"},
    "installer": {"boot_once": "installer"},
    "disabled": {"state": "disabled"},
    "unknown": {"state": "discovered"},
    "unknown too long": {"state": "discovered", "gave_up": True},
}


@pytest.mark.parametrize("way", WAYS)
def test_no_hostile_name_makes_a_script_that_stops_or_runs_what_is_not_ours(way: str) -> None:
    for text in HOSTILE:
        script = script_of(named(text, **WAYS[way]))
        assert faults(script) == [], f"made of {text[:40]!r}"
        assert len(script) < SIZE_MAX


@given(situations)
def test_whatever_is_known_of_a_machine_its_script_has_no_fault(now: Situation) -> None:
    assert faults(script_of(now)) == []


@pytest.mark.parametrize("why", HOSTILE)
def test_scripts_that_only_say_something_have_no_fault_either(why: str) -> None:
    for script in (
        ipxe.local_script(why), ipxe.waiting_script(SERVER, why), ipxe.failure_script(SERVER, why),
        ipxe.waiting_script(Server("http://10.66.0.1:8080/boot/"), why), ipxe.first_script(SERVER.base),
    ):  # fmt: skip
        assert faults(script) == []


def test_the_reader_finds_the_faults_that_it_is_there_for() -> None:
    good = script_of(SITUATIONS["unknown"])
    for spoilt, fault in {
        good.replace(":again\n", ""): "there is no label again",
        good.replace("reboot ||", "reboot"): "'reboot' may end the script",
        good.replace("goto again", "goto nowhere"): "there is no label nowhere",
        good.replace("echo Asking", "shell"): "is no command of ours",
        good + "echo on": "it ends with 'echo on'",
        good + ":local\nexit\n": "local stands twice",
        good.replace(":restart", ":other"): "the menu offers restart",
    }.items():
        assert any(fault in found for found in faults(spoilt)), fault


def test_commands_are_read_as_ipxe_joins_them() -> None:
    read = [(one.name, one.rest, one.joint) for one in commands("isset ${a} && set b c || goto d")]
    assert read == [("isset", "${a}", "&&"), ("set", "b c", "||"), ("goto", "d", "")]


@given(situations)
def test_a_machine_that_was_told_to_boot_comes_back_if_that_fails(now: Situation) -> None:
    script = script_of(now)
    if isinstance(decide(now), BootImage | BootInstaller):
        after_failure = script.split(":failed\n")[1]
        assert "report?retry=1&mac=525400123456&event=" in after_failure
        assert "script?retry=2&${query}" in after_failure
        assert after_failure.index("clear password") < after_failure.index("report?")


@given(situations, st.sampled_from(["http://10.66.0.1:8080/boot/", "http://192.0.2.7:80/boot/"]))
def test_every_address_in_a_script_is_ours_or_its_disks(now: Situation, base: str) -> None:
    script = ipxe.render(Server(base, MAC, 1), now, decide(now), SECRET)
    fetched = [
        word for line in script.splitlines() if line.startswith(("chain", "kernel", "initrd"))
        for word in line.split() if "://" in word
    ]  # fmt: skip
    ours = [word for word in fetched if word.startswith(base)]
    assert len(ours) >= script.count("chain ") + script.count("kernel http")
