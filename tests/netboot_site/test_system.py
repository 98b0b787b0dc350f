"""The only door to processes: what comes back from a program, and what of one that fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netboot_site import system
from netboot_site.errors import UnavailableError


@pytest.mark.parametrize(
    ("script", "code", "stdout", "stderr"),
    [
        ("echo out; echo err >&2; exit 3", 3, "out\n", "err\n"),
        (r"printf 'a\377b'", 0, "a\N{REPLACEMENT CHARACTER}b", ""),
        (r"printf '\303' >&2", 0, "", "\N{REPLACEMENT CHARACTER}"),
        ("kill -9 $$", -9, "", ""),
        ("cat", 0, "told", ""),
    ],
)
def test_a_program_comes_back_with_all_that_it_said(script: str, code: int, stdout: str, stderr: str) -> None:
    argv = ["sh", "-c", script]
    assert system.run(argv, stdin="told") == system.Completed(tuple(argv), code, stdout, stderr)


def test_no_word_is_ever_read_by_a_shell() -> None:
    assert system.run(["echo", "$(id); `id` > /x | y", "*"]).stdout == "$(id); `id` > /x | y *\n"


def test_a_program_that_overruns_its_time_is_killed_and_told(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    begun = time.monotonic()
    with pytest.raises(UnavailableError, match=r"^sh gave no answer within 0\.5 s\.$"):
        system.run(["sh", "-c", f"echo $$ > {note}; exec sleep 60"], timeout_seconds=0.5)
    assert time.monotonic() - begun < 10
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_a_program_that_is_not_installed_is_named() -> None:
    words = r"^The program no-such-program-here is not installed on this host\.$"
    with pytest.raises(UnavailableError, match=words):
        system.run(["no-such-program-here", "-x"])
    with pytest.raises(UnavailableError, match=words):
        system.replace(["no-such-program-here", "-x"])


def test_the_environment_is_ours_or_the_one_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETBOOT_SAMPLE", "ours")
    show = ["sh", "-c", "echo $NETBOOT_SAMPLE"]
    assert system.run(show).stdout == "ours\n"
    assert system.run(show, env={"PATH": os.defpath}).stdout == "\n"
    added = system.environment_with({"NETBOOT_SAMPLE": "added"})
    assert system.run(show, env=added).stdout == "added\n"
    assert added["PATH"] == os.environ["PATH"]
    assert os.environ["NETBOOT_SAMPLE"] == "ours", "adding changed our own"


def test_replaced_the_process_keeps_its_number_and_has_the_new_environment() -> None:
    code = """
import os, netboot_site.system as system
print(os.getpid(), flush=True)
system.replace(["sh", "-c", "echo $$ $SAMPLE; exit 5"], env={"PATH": os.defpath, "SAMPLE": "told"})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    before, after, told = done.stdout.split()
    assert (after, told, done.returncode) == (before, "told", 5), done.stderr


@pytest.mark.parametrize("new_session", [True, False])
def test_a_program_of_its_own_session_does_not_hear_our_ctrl_c(new_session: bool) -> None:
    process = system.start(["sleep", "60"], new_session=new_session)
    try:
        assert (os.getsid(process.pid) == process.pid) is new_session
    finally:
        process.kill()
        process.wait(10)


def test_a_tied_program_is_asked_to_end_and_says_all_in_one_stream() -> None:
    child = system.start_tied(
        ["sh", "-c", "trap 'echo bye >&2; exit 4' TERM; echo up; while :; do sleep 0.05; done"]
    )
    assert child.stdout is not None
    with child.stdout as said:
        assert said.readline() == b"up\n"
        system.end(child.pid)
        assert said.read().endswith(b"bye\n")
    assert child.wait(10) == 4


def test_ending_one_that_has_ended_already_is_no_error() -> None:
    child = system.start(["true"])
    child.wait(10)
    system.end(child.pid)


def test_a_tied_program_dies_with_us() -> None:
    code = """
import time, netboot_site.system as system
child = system.start_tied(["sleep", "60"])
print(child.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.stdout.close()
    until = time.monotonic() + 10
    while Path(f"/proc/{child}/comm").read_text() != "sleep\n":  # setpriv has set the tie and is gone
        assert time.monotonic() < until
        time.sleep(0.02)
    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    while Path(f"/proc/{child}").exists() and ") Z" not in Path(f"/proc/{child}/stat").read_text():
        assert time.monotonic() < until, "it lives on without us"
        time.sleep(0.02)


def test_io_uring_is_there_if_a_process_of_its_own_can_set_it_up() -> None:
    script = "import ctypes; print(ctypes.CDLL(None).syscall(425, 1, bytes(120)) >= 0)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert str(system.has_io_uring()) == found.stdout.strip()
