"""The store of layers with QEMU's own tools: qemu-img(1), and a qemu-storage-daemon(1) for each served chain.

Each served chain has a folder below RUN_PATH/layers: the exported file, the daemon's socket, and a note of
what is served. The daemon leads a session of its own and lives on when whoever started it dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from django.conf import settings

from images import qemu_files, qemu_serving, qmp
from images.ports import LayerFile, Served
from images.qemu_notes import Note, mounts_below, read_note, remove_note
from netboot_site import processes
from netboot_site.errors import ConflictError, UnavailableError, ValidationError
from netboot_site.processes import Process

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,15}")  # with RUN_PATH, the socket's path stays within 107 bytes
_SIGNAL_SECONDS = 5.0


class QemuLayerStore:
    """The layers that are served from one folder."""

    def __init__(self, run_path: Path) -> None:
        self._run_path = run_path

    def observe(self) -> Mapping[str, Served]:
        """Two small files for each, and the list of mounts; a process is asked only if its note is gone."""
        notes = {name: read_note(self._folder(name)) for name in self._names()}
        # After the notes: what is mounted before it is noted is then among them.
        mounts = frozenset(mounts_below(self._run_path) if notes else [])
        return {name: self._look(name, note, mounts) for name, note in notes.items()}

    def create(self, path: str, size_bytes: int, parent: LayerFile) -> None:
        """By way of a temporary name."""
        with self._alone():
            qemu_files.create(path, size_bytes, parent)

    def grow(self, path: str, size_bytes: int) -> None:
        """QEMU's own lock on the file refuses it while it is served."""
        qemu_files.grow(path, size_bytes)

    def freeze(self, path: str) -> None:
        """Its content to the disk first."""
        qemu_files.freeze(path)

    def serve(
        self, name: str, chain: Sequence[LayerFile], *, writable: bool = True, shared: bool = False
    ) -> Served:
        """A fresh process at a fresh path."""
        folder = self._folder(name)
        with self._alone():
            qemu_serving.clear(folder)
            note = qemu_serving.start(folder, chain, writable=writable, shared=shared)
        return _served(name, note, alive=True)

    def snapshot(self, name: str, top: LayerFile) -> None:
        """A kill at any moment leaves the old top or the new one, and a note that tells it or none."""
        folder = self._folder(name)
        with self._alone():
            note, process = self._running(folder)
            if process.stopped:
                raise ConflictError("The disk is paused.")
            if note.top == top.path:
                return
            remove_note(folder)
            try:
                qmp.put_on_top(qemu_serving.socket(folder), top.path)
            finally:
                qemu_serving.recover(folder)

    def stop(self, name: str) -> None:
        """SIGTERM lets it flush; its mount point goes with it."""
        with self._alone():
            qemu_serving.clear(self._folder(name))

    def pause(self, *names: str) -> None:
        """The kernel keeps their requests; whatever touches their files meanwhile waits as well."""
        with self._alone():
            running = [self._running(self._folder(name))[1] for name in names]
            for process in running:  # all are told before one is waited for
                processes.send(process, signal.SIGSTOP)
            for process in running:
                _bring(process, signal.SIGSTOP, stopped=True)

    def resume(self, name: str) -> None:
        """It carries on with what has waited."""
        with self._alone():
            _, process = self._running(self._folder(name))
            _bring(process, signal.SIGCONT, stopped=False)

    def _names(self) -> list[str]:
        if not self._run_path.is_dir():
            return []
        return sorted(entry.name for entry in self._run_path.iterdir() if _NAME.fullmatch(entry.name))

    def _look(self, name: str, note: Note | None, mounts: frozenset[str]) -> Served:
        if note is None:
            return self._ask(name)
        process = note.living()
        alive = process is not None and note.path in mounts
        return _served(name, note, alive=alive, paused=process is not None and process.stopped)

    def _ask(self, name: str) -> Served:
        """Somebody was killed, or is at work, between a change and its note."""
        folder = self._folder(name)
        with self._alone():
            try:
                note = read_note(folder) or qemu_serving.recover(folder)
            except UnavailableError:  # busy; a living process is not to be taken for a dead one
                return Served(name, next(iter(mounts_below(folder)), ""), "", alive=True)
        return _served(name, note, alive=True) if note else Served(name, "", "", alive=False)

    def _running(self, folder: Path) -> tuple[Note, Process]:
        note = read_note(folder) or (qemu_serving.recover(folder) if folder.exists() else None)
        process = note.living() if note else None
        if note is None or process is None:
            raise ConflictError("The disk is not being served.")
        return note, process

    def _folder(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValidationError(f"{name!r} cannot be served: it is no name of ours.")
        return self._run_path / name

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One at a time, whichever process it is; the kernel takes the lock back from one that is killed."""
        self._run_path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._run_path / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _served(name: str, note: Note, *, alive: bool, paused: bool = False) -> Served:
    return Served(name, note.path, note.top, alive=alive, writable=note.writable, paused=paused)


def _bring(process: Process, number: signal.Signals, *, stopped: bool) -> None:
    """A process stops only when it comes back from the kernel, so a busy one takes a moment."""
    processes.send(process, number)
    deadline = time.monotonic() + _SIGNAL_SECONDS
    while time.monotonic() < deadline:
        found = processes.look(process.pid)
        if not process.is_same(found) or (found is not None and found.stopped is stopped):
            return
        time.sleep(0.005)
    raise UnavailableError("The process that serves this disk does not react: its storage hangs.")


def local_store() -> QemuLayerStore:
    """This host's."""
    return QemuLayerStore(settings.LAYERS_RUN_PATH)
