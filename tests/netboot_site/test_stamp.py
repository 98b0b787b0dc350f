"""The process that keeps a daemon and stamps its lines."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netboot_site.stamp import WAITING_MAX_BYTES, LineStamper, Outlet

STAMPED = re.compile(rb"^\d+\.\d{3} ")


def start(
    *argv: str, options: tuple[str, ...] = (), stdout: int = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "netboot_site.stamp", *options, "--", *argv]
    return subprocess.Popen(words, stdout=stdout)


def wait_until(seen: object, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not seen():  # type: ignore[operator]
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def test_each_whole_line_gets_the_time_of_its_arrival() -> None:
    stamper = LineStamper()
    assert stamper.feed(b"one\ntw", 12.3456) == [b"12.346 one\n"]
    assert stamper.feed(b"o\n", 13.0) == [b"13.000 two\n"]


def test_a_line_without_an_end_does_not_grow_for_ever() -> None:
    stamper = LineStamper()
    lines = [line for _ in range(100) for line in stamper.feed(b"x" * 1000, 1.0)]
    assert len(lines) >= 5


def test_lines_that_nobody_reads_are_dropped_and_counted() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    outlet = Outlet(writing)
    for number in range(60000):
        outlet.put([f"1.000 line {number} {'x' * 200}\n".encode()])
        outlet.flush()
    assert outlet._bytes <= WAITING_MAX_BYTES
    read = b""
    while outlet:
        read += os.read(reading, 65536)
        outlet.flush()
    os.close(writing)
    while data := os.read(reading, 65536):
        read += data
    os.close(reading)
    assert all(STAMPED.match(line) for line in read.splitlines()), "a line was torn"
    assert b"lines were dropped" in read
    assert b"line 59999 " in read


def test_what_the_daemon_prints_comes_out_stamped_and_its_exit_code_with_it() -> None:
    kept = start("sh", "-c", "echo hello; echo trouble >&2; exit 3")
    output, _ = kept.communicate(timeout=20)
    assert [STAMPED.sub(b"", line) for line in output.splitlines()] == [b"hello", b"trouble"]
    assert kept.returncode == 3


def test_a_daemon_that_ends_well_is_started_again(tmp_path: Path) -> None:
    count = tmp_path / "count"
    kept = start("sh", "-c", f"echo x >> {count}; test $(wc -l < {count}) -lt 3 || exit 7; exit 0")
    assert kept.wait(20) == 7
    assert count.read_text().count("x") == 3


def test_a_request_to_stop_reaches_the_daemon_and_ends_both() -> None:
    kept = start("sh", "-c", "trap 'echo stopped; exit 0' TERM; echo up; while :; do sleep 0.1; done")
    assert kept.stdout is not None
    assert kept.stdout.readline().endswith(b"up\n")
    kept.terminate()
    output, _ = kept.communicate(timeout=20)
    assert kept.returncode == 0
    assert output.endswith(b"stopped\n")


def test_the_daemon_dies_with_its_keeper() -> None:
    kept = start("sh", "-c", "echo $$; exec sleep 60")
    assert kept.stdout is not None
    process_id = int(kept.stdout.readline().split()[1])
    kept.kill()
    kept.wait(20)
    wait_until(lambda: not Path(f"/proc/{process_id}/cmdline").exists() or _is_dead(process_id))


def _is_dead(process_id: int) -> bool:
    return ") Z" in Path(f"/proc/{process_id}/stat").read_text()


def test_a_reader_who_stopped_reading_does_not_stop_the_daemon(tmp_path: Path) -> None:
    done = tmp_path / "done"
    kept = start("sh", "-c", f"yes 0123456789 | head -n 300000; touch {done}; exec sleep 60")
    try:
        wait_until(done.exists, 30)
    finally:
        kept.send_signal(signal.SIGTERM)
        kept.communicate(timeout=20)


def test_a_reader_who_is_gone_ends_the_keeper_and_the_daemon(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    script = f"echo $$ > {tmp_path}/pid; while :; do echo line; sleep 0.05; done"
    kept = start("sh", "-c", script, stdout=writing)
    os.close(writing)
    assert os.read(reading, 100).endswith(b"line\n")
    os.close(reading)
    try:
        assert kept.wait(10) != 0, "its supervisor has to start it again"
    finally:
        kept.kill()
        kept.wait(10)
    process_id = int((tmp_path / "pid").read_text())
    wait_until(lambda: not Path(f"/proc/{process_id}/stat").exists() or _is_dead(process_id))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_stop_between_two_runs_is_not_lost(tmp_path: Path, number: int) -> None:
    kept = start("sh", "-c", f"echo x >> {tmp_path}/runs; exit 0")
    wait_until(lambda: (tmp_path / "runs").exists())
    kept.send_signal(number)
    kept.communicate(timeout=10)
    runs = (tmp_path / "runs").read_text()
    time.sleep(0.5)
    assert (tmp_path / "runs").read_text() == runs, "it was started again after the request to stop"


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"a\r\nb\n"], [b"a", b"b"]),
        ([b"\n", b"\n"], [b"", b""]),
        ([b"a", b"b", b"\n", b"c"], [b"ab"]),
        ([b"\xff\x00 x\n"], [b"\xff\x00 x"]),
        ([b""], []),
    ],
)
def test_lines_are_cut_where_the_daemon_ended_them(pieces: list[bytes], lines: list[bytes]) -> None:
    stamper = LineStamper()
    out = [line for piece in pieces for line in stamper.feed(piece, 1.5)]
    assert out == [b"1.500 " + line + b"\n" for line in lines]


def test_the_configuration_that_it_starts_with_is_noted(tmp_path: Path) -> None:
    config, note = tmp_path / "d.conf", tmp_path / "started"
    config.write_text("x")
    start("true-is-not-here", options=("--started", str(note), str(config))).communicate(timeout=20)
    found = config.stat()
    assert note.read_text() == f"{found.st_ino} {found.st_mtime_ns}"


def test_the_keeper_is_small() -> None:
    kept = start("sh", "-c", "echo up; exec sleep 60")
    assert kept.stdout is not None
    kept.stdout.readline()
    status = Path(f"/proc/{kept.pid}/status").read_text()
    kept.terminate()
    kept.wait(20)
    resident_kib = int(re.search(r"VmRSS:\s+(\d+)", status)[1])  # type: ignore[index]
    assert resident_kib < 20000, f"{resident_kib} KiB"
