"""A real supervisor over its own socket, and what a killed one left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netboot_site.errors import UnavailableError
from netboot_site.runtime import configuration, supervision
from netboot_site.runtime.layout import Accounts, folders, make_folders
from netboot_site.runtime.programs import BASE, SERVICES, Program
from netboot_site.runtime.supervision import ProgramState

SLEEPER = [
    "sh",
    "-c",
    "trap 'echo usr1' USR1; trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done",
]


@pytest.fixture
def run_path() -> Iterator[Path]:
    """A short one: a socket's path has 107 characters at most (unix(7)), and a worker's folders are long."""
    with tempfile.TemporaryDirectory(prefix="nb-") as path:
        yield Path(path)


@pytest.fixture
def room(instance: Accounts, settings: Any, run_path: Path, monkeypatch: pytest.MonkeyPatch) -> Accounts:
    """The instance's own folder for supervisor; the module read the setting when it was loaded."""
    settings.RUN_PATH = run_path
    make_folders(folders(instance))
    folder = run_path / "supervisor"
    monkeypatch.setattr(supervision, "_FOLDER", folder)
    monkeypatch.setattr(supervision, "_SESSION_NOTE", folder / "session")
    monkeypatch.setattr(supervision, "PYTHON", sys.executable)
    return instance


def start(room: Accounts, settings: Any, programs: list[Program]) -> Any:
    configuration.supervisor_conf().write_text(configuration.supervisor_text(room, programs))
    environment = {**os.environ, "RUN_PATH": str(settings.RUN_PATH)}
    process = supervision.start(configuration.supervisor_conf(), environment)
    supervision.wait_until_up(process)
    return process


@pytest.fixture
def running(room: Accounts, settings: Any) -> Iterator[Any]:
    """A supervisor with a program in each of two groups."""
    programs = [Program(group, group, room.launcher, SLEEPER, stop_seconds=2) for group in (BASE, SERVICES)]
    process = start(room, settings, programs)
    yield process
    supervision.stop(process, 10)


def wait_for(seen: Any, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def state_of(name: str) -> str:
    (found,) = [program.state for program in supervision.states() if program.name == name]
    return found


def test_the_base_starts_by_itself_and_the_rest_when_told(running: Any) -> None:
    wait_for(lambda: state_of(BASE) == "RUNNING")
    assert state_of(SERVICES) == "STOPPED"
    supervision.start_group(SERVICES)
    wait_for(lambda: state_of(SERVICES) == "RUNNING")


def test_a_killed_program_comes_back_under_another_number(running: Any) -> None:
    wait_for(lambda: state_of(BASE) == "RUNNING")
    (before,) = [program.pid for program in supervision.states() if program.name == BASE]
    os.kill(before, signal.SIGKILL)

    def replaced() -> bool:
        return (
            ProgramState(BASE, "RUNNING", before) not in supervision.states() and state_of(BASE) == "RUNNING"
        )

    wait_for(replaced)


def test_a_signal_reaches_the_program_and_its_words_reach_its_log(running: Any, settings: Any) -> None:
    log = settings.LOGS_PATH / f"{BASE}.log"
    wait_for(lambda: log.exists() and "up" in log.read_text())
    supervision.send_signal(BASE, BASE, "USR1")
    wait_for(lambda: "usr1" in log.read_text())


def test_stopping_ends_every_program_by_its_signal_and_leaves_no_note(running: Any, settings: Any) -> None:
    log = settings.LOGS_PATH / f"{BASE}.log"
    wait_for(lambda: log.exists() and "up" in log.read_text())
    assert supervision.former_session() == running.pid
    supervision.stop(running, 10)
    assert running.poll() == 0
    assert "bye" in log.read_text()
    assert supervision.session_members(running.pid) == []
    assert supervision.former_session() is None
    with pytest.raises(UnavailableError, match="does not answer"):
        supervision.states()


def test_what_a_killed_supervisor_left_is_counted_and_ended(
    room: Accounts, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "_SECONDS_FOR_ORPHANS", 0.2)
    deaf = ["sh", "-c", "trap '' TERM; exec sleep 60"]
    process = start(room, settings, [Program("deaf", BASE, room.launcher, deaf)])

    def others() -> list[str]:
        members = supervision.session_members(process.pid)
        return [Path(f"/proc/{pid}/comm").read_text() for pid in members if pid != process.pid]

    wait_for(lambda: others() == ["sleep\n"])
    process.kill()
    process.wait(10)
    assert supervision.end_former_session() == 1
    assert supervision.session_members(process.pid) == []


def test_a_session_of_another_start_of_the_machine_is_nobodys(room: Accounts, settings: Any) -> None:
    note = settings.RUN_PATH / "supervisor" / "session"
    note.write_text(f"00000000-0000-0000-0000-000000000000 pid:[1] {os.getsid(0)}")
    assert supervision.former_session() is None
    assert supervision.end_former_session() == 0
    assert not note.exists()
    assert supervision.former_session() is None


def test_strangers_of_a_session_with_the_same_number_are_left_alone(room: Accounts, settings: Any) -> None:
    variables = {**os.environ, "RUN_PATH": "/somebody/elses"}
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True, env=variables)
    try:
        note = settings.RUN_PATH / "supervisor" / "session"
        note.write_text(f"{supervision._boot_identity()} {stranger.pid}")
        assert supervision.former_session() == stranger.pid
        assert supervision.end_former_session() == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait(10)


def test_notes_and_sockets_of_an_earlier_run_are_removed_before_the_start(
    room: Accounts, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = settings.RUN_PATH / "supervisor"
    for name in ("web.started", "nginx.started", "supervisor.sock", "supervisor.sock.77"):
        (folder / name).touch()
    given: list[Any] = []

    def start(argv: list[str], **options: Any) -> subprocess.Popen[bytes]:
        given.extend([argv, options])
        return subprocess.Popen(["true"])

    monkeypatch.setattr("netboot_site.system.start", start)
    supervision.start(folder / "supervisord.conf", {"A": "b"}).wait(10)
    assert [path.name for path in folder.iterdir()] == ["session"]
    assert given[0][:2] == ["setpriv", "--pdeathsig=TERM"]
    assert given[1] == {"env": {"A": "b"}, "new_session": True}, "Ctrl-C must reach the launcher alone"


@pytest.mark.parametrize(
    ("argv", "words"), [(["false"], "ended at once"), (["sleep", "60"], "does not answer")]
)
def test_a_supervisor_that_does_not_come_up_is_told(room: Accounts, argv: list[str], words: str) -> None:
    process = subprocess.Popen(argv)
    try:
        if argv == ["false"]:
            process.wait(10)
        with pytest.raises(UnavailableError, match=words):
            supervision.wait_until_up(process, 0.3)
    finally:
        process.kill()
        process.wait(10)


def test_one_that_does_not_stop_in_time_is_killed(room: Accounts) -> None:
    script = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    process = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    supervision.stop(process, 0.2)
    assert process.returncode == -signal.SIGKILL
