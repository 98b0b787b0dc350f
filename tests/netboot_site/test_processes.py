"""Processes are told apart by number and start together, never by the number alone."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from netboot_site import processes
from netboot_site.processes import Process
from tests.images.tgtd import wait_until


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def found(pid: int) -> Process:
    process = processes.look(pid)
    assert process is not None
    return process


def test_a_living_process_is_seen_with_its_start(sleeper: subprocess.Popen[bytes]) -> None:
    process = found(sleeper.pid)
    assert (process.pid, process.stopped) == (sleeper.pid, False)
    assert process.started.isdecimal()
    assert process.is_same(processes.look(sleeper.pid))


def test_one_that_is_stopped_is_shown_so_and_is_still_the_same(sleeper: subprocess.Popen[bytes]) -> None:
    before = found(sleeper.pid)
    assert processes.send(before, signal.SIGSTOP)
    wait_until(lambda: found(sleeper.pid).stopped, 10, "it stops")
    assert before.is_same(found(sleeper.pid))


def test_one_that_has_ended_is_gone_even_before_its_parent_looks(sleeper: subprocess.Popen[bytes]) -> None:
    process = found(sleeper.pid)
    assert processes.send(process, signal.SIGKILL)
    assert processes.wait_for_end(process, 10)
    assert processes.look(sleeper.pid) is None
    sleeper.wait()
    assert not processes.send(process, signal.SIGTERM)
    assert processes.wait_for_end(process, 0)


def test_a_signal_for_an_earlier_process_of_that_number_hits_nobody(
    sleeper: subprocess.Popen[bytes],
) -> None:
    earlier = replace(found(sleeper.pid), started="1")
    assert not processes.send(earlier, signal.SIGKILL)
    assert processes.wait_for_end(earlier, 0), "the earlier one is over"
    assert sleeper.poll() is None


def test_waiting_for_one_that_goes_on_ends_without_its_end(sleeper: subprocess.Popen[bytes]) -> None:
    assert not processes.wait_for_end(found(sleeper.pid), 0.01)


def test_processes_are_found_by_an_option_and_how_its_value_begins() -> None:
    argv = ["sh", "-c", "read line", "--pidfile", "/nowhere/e1/pid"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        try:
            wait_until(lambda: any(processes.with_option("--pidfile", argv[-1])), 10, "it is started")
            for value in ("/nowhere/e1/pid", "/nowhere/"):
                assert [one.pid for one in processes.with_option("--pidfile", value)] == [process.pid], value
            for option, value in (
                ("--pidfile", "/nowhere/e2/"),
                ("--other", "/nowhere/"),
                ("-c", "/nowhere/"),
            ):
                assert list(processes.with_option(option, value)) == []
        finally:
            process.kill()
