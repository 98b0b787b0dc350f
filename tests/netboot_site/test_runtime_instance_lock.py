"""One instance on one DATA_PATH, whoever dies when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netboot_site.errors import ConflictError
from netboot_site.runtime.instance_lock import held, holder, stop_holder

HOLD = """
import signal, sys, time
from pathlib import Path
from netboot_site.runtime.instance_lock import held
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def another(data_path: Path, manner: str = "") -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    argv = [sys.executable, "-c", HOLD, str(data_path), manner]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_a_second_one_is_refused_and_told_who_is_there(tmp_path: Path) -> None:
    with another(tmp_path) as first:
        assert holder(tmp_path) == first.pid
        words = rf"Another instance runs on {tmp_path} \(process {first.pid}\): stop it with `make down`"
        with pytest.raises(ConflictError, match=words), held(tmp_path):
            pytest.fail("two hold it")
        assert holder(tmp_path) == first.pid, "the refused one wrote over the first one's note"


def test_two_data_paths_are_two_instances(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with another(tmp_path), held(tmp_path / "other"):
        assert holder(tmp_path / "other") == os.getpid()


def test_a_killed_one_leaves_its_note_and_no_lock(tmp_path: Path) -> None:
    with another(tmp_path) as first:
        first.kill()
        first.wait(10)
        assert (tmp_path / "instance.lock").read_text() == str(first.pid)
        assert holder(tmp_path) is None
        with held(tmp_path):
            assert (tmp_path / "instance.lock").read_text() == str(os.getpid())


def test_after_a_good_end_and_after_a_failure_it_is_free(tmp_path: Path) -> None:
    with held(tmp_path):
        pass
    assert (tmp_path / "instance.lock").read_text() == ""
    with pytest.raises(ZeroDivisionError), held(tmp_path):
        raise ZeroDivisionError
    assert holder(tmp_path) is None
    assert stop_holder(tmp_path, 1) is False


def test_where_nothing_ever_ran_nobody_holds_it(tmp_path: Path) -> None:
    assert holder(tmp_path / "no" / "such" / "folder") is None
    assert stop_holder(tmp_path, 1) is False
    assert list(tmp_path.iterdir()) == [], "asking made a file"


def test_it_is_asked_to_stop_and_waited_for(tmp_path: Path) -> None:
    with another(tmp_path) as first:
        assert stop_holder(tmp_path, 10) is True
        assert first.wait(10) == -signal.SIGTERM


def test_one_that_does_not_stop_is_named(tmp_path: Path) -> None:
    with another(tmp_path, "deaf") as first:
        with pytest.raises(ConflictError, match=rf"Process {first.pid} has not stopped within 0\.3 s"):
            stop_holder(tmp_path, 0.3)
        assert first.poll() is None, "it is asked, never killed"
