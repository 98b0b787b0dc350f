"""What stands between supervisor and each program: it clears up after the earlier run, then becomes it."""

from __future__ import annotations

import os
import runpy
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

START = Path(__file__).resolve().parents[2] / "deploy" / "supervisor" / "start_program.py"
LONG_AGO = 1_000_000_000


def become(note: Path, *argv: str, **options: object) -> subprocess.CompletedProcess[str]:
    words = ["/usr/bin/python3", "-I", str(START), str(note), *argv]
    return subprocess.run(words, capture_output=True, text=True, timeout=20, **options)  # type: ignore[call-overload, no-any-return]


def write_note(note: Path, group: int) -> None:
    """What an earlier run left, long enough ago that nobody pauses."""
    note.write_text(str(group))
    os.utime(note, (LONG_AGO, LONG_AGO))


@pytest.fixture
def orphan() -> Iterator[int]:
    """The worker of a server that was killed: its group's leader is dead, and it ignores SIGTERM."""
    script = "trap '' TERM; sleep 60 & echo $!; exec sleep 0"
    leader = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True, process_group=0)
    assert leader.stdout is not None
    worker = int(leader.stdout.readline())
    leader.wait(10)
    leader.stdout.close()
    assert os.getpgid(worker) == leader.pid
    yield leader.pid
    try:
        os.killpg(leader.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def living(group: int) -> bool:
    done = subprocess.run(["ps", "-A", "-o", "pgid=,stat="], capture_output=True, text=True, check=True)
    return any(
        int(line.split()[0]) == group and not line.split()[1].startswith("Z")
        for line in done.stdout.splitlines()
    )


def test_it_becomes_the_program_with_its_arguments_and_notes_its_number(tmp_path: Path) -> None:
    done = become(tmp_path / "note", "sh", "-c", 'echo "$$:$1"; exit 7', "sh", "a b%*")
    number, _, argument = done.stdout.strip().partition(":")
    assert (argument, done.returncode) == ("a b%*", 7), done.stderr
    assert (tmp_path / "note").read_text() == number, "the note names another process than the program"


def test_what_a_killed_run_left_is_ended_before_the_program_starts(tmp_path: Path, orphan: int) -> None:
    write_note(tmp_path / "note", orphan)
    assert living(orphan)
    done = become(tmp_path / "note", "true")
    assert done.returncode == 0, done.stderr
    assert not living(orphan)


def test_a_group_of_another_session_is_a_strangers(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        write_note(tmp_path / "note", stranger.pid)
        become(tmp_path / "note", "true")
        assert stranger.poll() is None, "its number was given to somebody else, who was killed"
    finally:
        stranger.kill()
        stranger.wait(10)


def test_an_empty_note_ends_nothing_of_ours(tmp_path: Path) -> None:
    (tmp_path / "note").touch()
    os.utime(tmp_path / "note", (LONG_AGO, LONG_AGO))
    done = become(tmp_path / "note", "echo", "alive")
    assert done.stdout == "alive\n", done.stderr


@pytest.mark.parametrize(("seconds_ago", "pauses"), [(0.0, True), (30.0, False)])
def test_a_program_that_ends_at_once_is_tried_once_a_second(
    tmp_path: Path, seconds_ago: float, pauses: bool
) -> None:
    note = tmp_path / "note"
    note.write_text("999999999")
    begun = time.time()
    os.utime(note, (begun - seconds_ago, begun - seconds_ago))
    become(note, "true")
    assert (time.time() - begun >= 1.0) is pauses


def test_a_first_start_does_not_wait(tmp_path: Path) -> None:
    begun = time.monotonic()
    become(tmp_path / "note", "true")
    assert time.monotonic() - begun < 1.0


def test_the_socket_that_a_killed_granian_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    with socket.socket(socket.AF_UNIX) as former:
        former.bind(str(path))
    done = become(tmp_path / "note", "sh", "-c", f"test ! -e {path}", "--uds", str(path))
    assert done.returncode == 0, "granian would refuse it"
    assert become(tmp_path / "note", "true", "--uds", str(path)).returncode == 0, "no socket is no error"


def test_a_program_that_is_not_there_fails_and_is_named(tmp_path: Path) -> None:
    done = become(tmp_path / "note", "no-such-program-here")
    assert done.returncode != 0
    assert "FileNotFoundError" in done.stderr


def test_group_0_is_never_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container everything that was started from outside has the group 0 and the session 0."""
    space = runpy.run_path(str(START))
    looked: list[int] = []
    monkeypatch.setitem(space["end_orphans"].__globals__, "members", lambda *of: looked.append(of[0]) or [])
    space["end_orphans"](0)
    assert looked == []
    space["end_orphans"](4_000_000)
    assert looked == [4_000_000]
