"""Talks to a running supervisor over its own unix socket, and knows what a killed one may leave behind."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from supervisor.xmlrpc import SupervisorTransport

from netboot_site import system
from netboot_site.errors import UnavailableError
from netboot_site.runtime.programs import PYTHON

_FOLDER = Path(settings.RUN_PATH / "supervisor")
_SESSION_NOTE = _FOLDER / "session"
_RUN_SUPERVISOR = settings.BASE_PATH / "deploy" / "supervisor" / "run_supervisor.py"
_SECONDS_TO_STOP = 40
_WRITE_OVER_THEIR_ENVIRONMENT = ("nginx", "redis-server")  # with the title that ps shows
_SECONDS_FOR_ORPHANS = 8


@dataclass(frozen=True, slots=True)
class ProgramState:
    """What supervisor says about one program."""

    name: str
    state: str
    pid: int


def _proxy() -> Any:
    transport = SupervisorTransport(None, None, f"unix://{_FOLDER / 'supervisor.sock'}")
    return cast(Any, xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)).supervisor


def states() -> list[ProgramState]:
    """Every program's state. Raises UnavailableError when supervisor does not answer."""
    try:
        found = _proxy().getAllProcessInfo()
    except (OSError, xmlrpc.client.Error) as error:
        raise UnavailableError("The supervisor of this instance does not answer.") from error
    return [ProgramState(entry["name"], entry["statename"], entry["pid"]) for entry in found]


def start_group(name: str) -> None:
    """Start every program of a group."""
    _proxy().startProcessGroup(name, False)


def stop_program(program: str, group: str) -> None:
    """Stop one program for good; nothing if supervisor is gone."""
    with contextlib.suppress(OSError, xmlrpc.client.Error):
        _proxy().stopProcess(f"{group}:{program}", True)


def send_signal(program: str, group: str, name: str) -> None:
    """Send a signal to one program."""
    _proxy().signalProcess(f"{group}:{program}", name)


def wait_until_up(process: Any, seconds: float = 15) -> None:
    """Return when supervisor answers. Raises UnavailableError if it ends or never does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise UnavailableError(
                f"The supervisor ended at once; see {settings.LOGS_PATH / 'supervisord.log'}."
            )
        if (_FOLDER / "supervisor.sock").exists():
            try:
                states()
            except UnavailableError:
                time.sleep(0.05)
            else:
                return
        time.sleep(0.05)
    raise UnavailableError("The supervisor does not answer.")


def start(conf: Path, environment: dict[str, str]) -> Any:
    """Start supervisor in a session of its own, so that Ctrl-C reaches the launcher alone.

    Should the launcher be killed, the kernel sends supervisor a SIGTERM, and it stops everything in order.
    """
    # Process numbers of an earlier session, and the socket that a killed supervisor left.
    for stale in (*_FOLDER.glob("*.started"), *_FOLDER.glob("supervisor.sock*")):
        stale.unlink()
    layers = str(settings.LAYERS_RUN_PATH)
    words = ["setpriv", "--pdeathsig=TERM", PYTHON, str(_RUN_SUPERVISOR), layers, "-c", str(conf)]
    process = system.start(words, env=environment, new_session=True)
    _SESSION_NOTE.write_text(f"{_boot_identity()} {process.pid}")
    return process


def _boot_identity() -> str:
    """Which start of which machine or container our process numbers belong to."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot_id} {Path('/proc/self/ns/pid').readlink()}"


def session_members(session: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # proc(5): state, ppid, pgrp, session
        if int(words[3]) == session and words[0] != "Z" and _is_ours(entry):
            found.append(int(entry.name))
    return found


def _is_ours(process: Path) -> bool:
    """Not a stranger's process, whose session was given the same number long after ours had ended."""
    try:
        told = f"RUN_PATH={settings.RUN_PATH}".encode() in (process / "environ").read_bytes().split(b"\0")
        return told or (process / "comm").read_text().strip() in _WRITE_OVER_THEIR_ENVIRONMENT
    except OSError:
        return False


def former_session() -> int | None:
    """The session of the last supervisor of this DATA_PATH, if it was started since the machine was."""
    try:
        identity, _, session = _SESSION_NOTE.read_text().rpartition(" ")
    except FileNotFoundError:
        return None
    return int(session) if identity == _boot_identity() else None


def end_former_session() -> int:
    """Let what is left of a killed instance stop, then kill it; returns how many processes there were.

    Its supervisor, if it lives, stops the others in order; if not, the kernel has told each of them to stop.
    """
    session = former_session()
    left = session_members(session) if session else []
    if session:
        _wait_for_end(session, _SECONDS_TO_STOP if session in left else _SECONDS_FOR_ORPHANS)
    _SESSION_NOTE.unlink(missing_ok=True)
    return len(left)


def _wait_for_end(session: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while members := session_members(session):
        for pid in members if time.monotonic() > deadline else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def stop(process: Any, seconds: float = _SECONDS_TO_STOP) -> None:
    """Ask supervisor to stop everything in order; kill what is left after that."""
    if process.poll() is None:
        process.terminate()
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if process.poll() is None:
        process.kill()
        process.wait()
    _wait_for_end(process.pid, 0)
    _SESSION_NOTE.unlink(missing_ok=True)
