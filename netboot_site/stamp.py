"""Runs one daemon and passes its lines on with the time before each. A small process: it loads no Django.

`python -m netboot_site.stamp [--started FILE CONFIG] -- PROGRAM ARGUMENT...`

The daemon is never made to wait: when nobody reads our lines, the oldest of them are dropped and counted. A
daemon that ends well without our having been asked to stop was told to start anew, and is started again.
"""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
from collections import deque
from pathlib import Path
from types import FrameType

from netboot_site import system

WAITING_MAX_BYTES = 4 * 1024 * 1024
_READ_BYTES = 65536  # pipe(7): a pipe holds as much
_LONGEST_LINE_BYTES = 16384
_RESTART_PAUSE_SECONDS = 0.2  # a daemon that ends at once does not take the whole processor


class LineStamper:
    """Cuts a stream into lines and puts the time of arrival before each."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes, now: float) -> list[bytes]:
        """The whole lines that this data completes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        return [f"{now:.3f} ".encode() + line.rstrip(b"\r") + b"\n" for line in lines]


class Outlet:
    """Lines on their way to a reader who may be slow; keeps at most WAITING_MAX_BYTES."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._dropped = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, lines: list[bytes]) -> None:
        """Add lines; where they are too many, the oldest go, but never the rest of one half sent."""
        for line in lines:
            self._waiting.append(line)
            self._bytes += len(line)
        while self._bytes > WAITING_MAX_BYTES:
            self._bytes -= len(self._waiting[1])
            del self._waiting[1]
            self._dropped += 1

    def flush(self) -> None:
        """Write what the reader takes now. Raises BrokenPipeError when it is gone."""
        try:
            while self._waiting:
                sent = os.write(self.fd, self._waiting[0])
                self._take(sent)
        except BlockingIOError:
            return
        if self._dropped:
            lost, self._dropped = self._dropped, 0
            self.put(
                [f"{time.time():.3f} stamp: {lost} lines were dropped, since nobody read them\n".encode()]
            )

    def _take(self, sent: int) -> None:
        self._bytes -= sent
        if sent == len(self._waiting[0]):
            self._waiting.popleft()
        else:
            self._waiting[0] = self._waiting[0][sent:]


class Keeper:
    """Starts the daemon, passes its lines and our signals on, and starts it again when it was told to."""

    def __init__(self, argv: list[str], started: tuple[Path, Path] | None) -> None:
        self.argv = argv
        self.started = started
        self.stopping = False
        self.outlet = Outlet(sys.stdout.fileno())
        self.process_id = 0

    def run(self) -> int:
        """Keep it until it fails or we are told to stop; its exit code."""
        os.set_blocking(self.outlet.fd, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        while True:
            code = self._run_once()
            if code != 0 or self.stopping:
                return code
            time.sleep(_RESTART_PAUSE_SECONDS)

    def _run_once(self) -> int:
        if self.started is not None:
            _note_start(*self.started)
        child = system.start_tied(self.argv)
        self.process_id = child.pid
        if self.stopping:
            child.terminate()
        source = child.stdout
        if source is not None:
            self._pass_on(source.fileno())
            source.close()
        return child.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True
        if self.process_id:
            system.end(self.process_id)

    def _pass_on(self, source: int) -> None:
        stamper = LineStamper()
        with selectors.DefaultSelector() as selector:
            selector.register(source, selectors.EVENT_READ)
            writing = False
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if source in ready:
                    data = os.read(source, _READ_BYTES)
                    if not data:
                        return
                    self.outlet.put(stamper.feed(data, time.time()))
                self.outlet.flush()
                if bool(self.outlet) != writing:
                    writing = not writing
                    if writing:
                        selector.register(self.outlet.fd, selectors.EVENT_WRITE)
                    else:
                        selector.unregister(self.outlet.fd)


def _note_start(note: Path, config: Path) -> None:
    """Say which configuration file the daemon is about to read (see bootflow/adapters.py)."""
    found = config.stat()
    draft = note.with_name(f".{note.name}.new")
    draft.write_text(f"{found.st_ino} {found.st_mtime_ns}")
    draft.replace(note)


def main(words: list[str]) -> int:
    """Read the command line and keep the daemon."""
    cut = words.index("--")
    options, argv = words[:cut], words[cut + 1 :]
    started = (Path(options[1]), Path(options[2])) if options else None
    return Keeper(argv, started).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
