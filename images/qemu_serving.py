"""The folder and the process of one served chain: started, found again, and ended with nothing left."""

from __future__ import annotations

import json
import secrets
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from images import qemu_nodes, qmp
from images.ports import LayerFile
from images.qemu_files import refusal
from images.qemu_notes import Note, mounts_below, write_note
from netboot_site import processes, system
from netboot_site.errors import UnavailableError
from netboot_site.processes import Process

START_SECONDS = 20.0
KEPT_BYTES = 2 * 1024**2  # FUSE asks for 1 MiB at most
# What was written and not flushed is brought to the disk in this time; a killed one loses just that.
END_SECONDS = 30.0
KILL_SECONDS = 10.0
_OUR_MARK = "--pidfile"  # its path in the command line tells our processes from all others


def start(folder: Path, chain: Sequence[LayerFile], *, writable: bool, shared: bool = False) -> Note:
    """Serve a chain from an empty place. What it raises is from `refusal`; it leaves nothing then."""
    folder.mkdir(mode=0o700)
    point = folder / f"disk-{secrets.token_hex(4)}"
    point.touch(mode=0o600)
    nodes = qemu_nodes.chain(chain, writable=writable, shared=shared)
    argv, environment = _argv(folder, point, nodes, writable=writable), system.keep_memory(KEPT_BYTES)
    done = system.run(argv, timeout_seconds=START_SECONDS, env={**system.PLAIN, **environment})
    process = find(folder) if done.exit_code == 0 else None
    if process is None:
        clear(folder)
        raise refusal(done.stderr)
    socket(folder).chmod(0o600)  # a daemon of qemu sets a umask of its own
    return _noted(folder, process, str(point), chain[0].path, writable=writable)


def _argv(folder: Path, point: Path, nodes: Sequence[qemu_nodes.Node], *, writable: bool) -> list[str]:
    export = qemu_nodes.export(nodes[-1]["node-name"], str(point), writable=writable)
    blockdevs = [word for node in nodes for word in ("--blockdev", json.dumps(node))]
    return [
        "qemu-storage-daemon", "--daemonize", _OUR_MARK, str(pid_file(folder)),
        "--chardev", f"socket,id=qmp,path={socket(folder)},server=on,wait=off", "--monitor", "chardev=qmp",
        *blockdevs, "--export", json.dumps(export),
    ]  # fmt: skip


def recover(folder: Path) -> Note | None:
    """The note of a process whose note is missing, written anew after asking it; None if there is none.

    Raises UnavailableError if it does not answer.
    """
    process, points = find(folder), mounts_below(folder)
    if process is None or len(points) != 1 or process.stopped:
        return None
    serving = qmp.serving(socket(folder))
    return _noted(folder, process, points[0], serving.top, writable=serving.writable)


def _noted(folder: Path, process: Process, point: str, top: str, *, writable: bool) -> Note:
    note = Note(process.pid, process.started, processes.boot_identity(), point, top, writable)
    write_note(folder, note)
    return note


def clear(folder: Path) -> None:
    """End whatever serves from this folder, and remove it. Raises UnavailableError if it cannot be ended."""
    if not folder.exists():
        return
    _end(_serving(folder))
    _unmount(folder)
    shutil.rmtree(folder)


def clear_all(run_path: Path) -> int:
    """End everything that is served from below this folder, all at once; returns how many processes it was.

    It takes no lock: whoever could start another one has ended by now.
    """
    ended = _end(all_serving(run_path))
    _unmount(run_path)
    for folder in run_path.iterdir() if run_path.is_dir() else []:
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
    return ended


def let_go_on(run_path: Path) -> None:
    """Resume whatever is paused: a target server that waits for it could not even be killed."""
    for process in all_serving(run_path):
        processes.send(process, signal.SIGCONT)


def _end(running: Iterator[Process]) -> int:
    """Ask processes to write everything and end; kill those that do not."""
    asked = [one for one in running if processes.send(one, signal.SIGTERM, signal.SIGCONT)]
    for process in asked:
        if processes.wait_for_end(process, END_SECONDS):
            continue
        processes.send(process, signal.SIGKILL)
        if not processes.wait_for_end(process, KILL_SECONDS):
            raise UnavailableError("A process that serves a disk does not end: its storage hangs.")
    return len(asked)


def _unmount(folder: Path) -> None:
    """Mounts of a process that was killed stay, and answer nothing."""
    for point in mounts_below(folder):
        system.run(["fusermount3", "-u", "-z", point])


def find(folder: Path) -> Process | None:
    """The process that serves from this folder."""
    return next(_serving(folder), None)


def _serving(folder: Path) -> Iterator[Process]:
    # Not by its number in the pid file: a kill may come before that is written, and numbers are given again.
    return processes.with_option(_OUR_MARK, str(pid_file(folder)))


def all_serving(run_path: Path) -> Iterator[Process]:
    """Every process that serves from below this folder."""
    return processes.with_option(_OUR_MARK, f"{run_path}/")


def socket(folder: Path) -> Path:
    """Where its process listens for QMP."""
    return folder / "qmp"


def pid_file(folder: Path) -> Path:
    """What its process is known by; the file itself is never read."""
    return folder / "pid"
