"""A real orchestrator in its own network namespace: `make up` as a person runs it, with handles for tests.

    with Wire.create("10.66.0.1/24") as wire, Instance(wire, data_path) as instance:
        instance.api("GET", "/api/v1/devices").json

Other tests plug their machines into the wire's bridge (`wire.bridge`, inside `wire.namespace`).
"""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

PROJECT = Path(__file__).resolve().parents[2]
START_WITHIN_SECONDS = 120.0  # two cores that other tests use too
STOP_WITHIN_SECONDS = 30.0
_CLONE_NEWNET = 0x40000000  # setns(2)
_UP = "Ctrl-C stops everything."


def run(*argv: str) -> str:
    """A tool that must succeed; returns what it printed."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr or done.stdout}"
    return done.stdout


@dataclass
class Wire:
    """A network namespace with one bridge, which holds the orchestrator's address; nothing else is on it."""

    namespace: str
    address: str
    bridge: str = "nbbr0"

    @classmethod
    def create(cls, cidr: str = "10.66.0.1/24") -> Self:
        """Make the namespace and its bridge."""
        name = f"nb-test-{secrets.token_hex(3)}"
        wire = cls(name, cidr.partition("/")[0])
        run("ip", "netns", "add", name)
        for words in (
            "link set lo up",
            f"link add {wire.bridge} type bridge forward_delay 0",
            f"addr add {cidr} dev {wire.bridge}",
            f"link set {wire.bridge} up",
        ):
            run("ip", "-n", name, *words.split())
        return wire

    def inside(self, *argv: str) -> list[str]:
        """The words that run a command in the namespace; mounts stay the host's (unlike `ip netns exec`)."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", "--", *argv]

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is in the namespace; a socket made here stays there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with (
            Path("/proc/thread-self/ns/net").open() as home,
            Path(f"/run/netns/{self.namespace}").open() as there,
        ):
            assert libc.setns(there.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert libc.setns(home.fileno(), _CLONE_NEWNET) == 0

    def remove(self) -> None:
        """Remove the namespace."""
        run("ip", "netns", "del", self.namespace)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class _Connection(http.client.HTTPConnection):
    """HTTP to an address inside the wire's namespace."""

    def __init__(self, wire: Wire, port: int, timeout: float) -> None:
        super().__init__(wire.address, port, timeout=timeout)
        self._wire = wire

    def connect(self) -> None:
        with self._wire.entered():
            self.sock = socket.create_connection((self.host, self.port), self.timeout)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


@dataclass
class Instance:
    """One DATA_PATH on one wire; it can be started, stopped, hurt and started again."""

    wire: Wire
    data_path: Path
    environment: dict[str, str] = field(default_factory=dict)
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    process: subprocess.Popen[bytes] | None = None
    start_seconds: float = 0.0
    as_user: tuple[str, ...] = ()  # words that become another user
    command: str = "up"

    @property
    def address(self) -> str:
        return self.wire.address

    @property
    def log(self) -> Path:
        return self.data_path.parent / f"{self.data_path.name}.out"

    @property
    def output(self) -> str:
        """All that `make up` printed at its last start."""
        return self.log.read_text() if self.log.exists() else ""

    def settings(self) -> dict[str, str]:
        """The environment of `make up`: nothing of the test suite's own reaches it."""
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TERM")}
        return {
            **kept,
            "DATA_PATH": str(self.data_path),
            "BOOT_INTERFACE": self.wire.bridge,
            "ADMIN_API_TOKEN": self.token,
            **self.environment,
        }

    def launch(self) -> subprocess.Popen[bytes]:
        """Run `manage.py up` and return at once; what it prints goes to `log`."""
        words = (*self.as_user, str(PROJECT / ".venv/bin/python"), str(PROJECT / "manage.py"), self.command)
        argv = self.wire.inside(*words)
        out: IO[bytes] = self.log.open("wb")
        with out:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=self.settings(), start_new_session=True,
            )  # fmt: skip
        return self.process

    def start(self) -> Self:
        """Run it until it says that it is up."""
        began = time.monotonic()
        process = self.launch()
        while _UP not in self.output:
            assert process.poll() is None, f"`make up` ended with {process.returncode}:\n{self.output}"
            assert time.monotonic() - began < START_WITHIN_SECONDS, f"not up yet:\n{self.output}"
            time.sleep(0.1)
        self.start_seconds = time.monotonic() - began
        return self

    def stop(self, number: int = signal.SIGINT) -> float:
        """Stop it as Ctrl-C does; returns the seconds that it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(STOP_WITHIN_SECONDS)
        return time.monotonic() - began

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()

    # --- asking it ------------------------------------------------------------------------------------------

    def http(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        port: int = 8000,
        timeout: float = 15,
        **headers: str,
    ) -> Answer:
        """One request, as a person's browser or a boot loader makes it; `Content_Type=` is a header too."""
        connection = _Connection(self.wire, port, timeout)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            found: dict[str, str] = {}
            for key, value in answer.getheaders():  # there may be several cookies
                found[key.lower()] = f"{found[key.lower()]}; {value}" if key.lower() in found else value
            return Answer(answer.status, answer.read(), found)
        finally:
            connection.close()

    def api(self, method: str, path: str, body: Any = None, timeout: float = 15) -> Answer:
        """One call of the REST API with the administrator's token; the body is sent as JSON."""
        data = None if body is None else json.dumps(body).encode()
        bearer = f"Bearer {self.token}"
        return self.http(
            method, path, data, timeout=timeout, Authorization=bearer, Content_Type="application/json"
        )

    def health(self) -> dict[str, Any]:
        """What /health says; `{}` while nobody answers."""
        try:
            answer = self.http("GET", "/health", timeout=5)
            return dict(answer.json)
        except (OSError, http.client.HTTPException, ValueError):
            return {}

    def wait_until_healthy(self, seconds: float = 30) -> float:
        """Returns how long it took; fails with what is still wrong."""
        began = time.monotonic()
        while (found := self.health()).get("status") != "healthy":
            assert time.monotonic() - began < seconds, f"not healthy after {seconds:g} s: {found}"
            time.sleep(0.2)
        return time.monotonic() - began

    # --- its processes --------------------------------------------------------------------------------------

    def supervisor_pid(self) -> int:
        return int((self.run_path / "supervisor" / "supervisord.pid").read_text())

    @property
    def run_path(self) -> Path:
        return self.data_path / "run"

    def programs(self) -> list[str]:
        """Names of the programs that have been started."""
        return sorted(path.stem for path in (self.run_path / "supervisor").glob("*.started"))

    def pid(self, program: str) -> int:
        """The main process of a program, as it was last started."""
        return int((self.run_path / "supervisor" / f"{program}.started").read_text())

    def kill(self, program: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to the main process of a program; returns its pid."""
        pid = self.pid(program)
        os.kill(pid, number)
        return pid

    def processes(self) -> dict[int, str]:
        """Every process in the wire's network namespace, with its command line."""
        pids = run("ip", "netns", "pids", self.wire.namespace).split()
        return {int(pid): command for pid in pids if (command := command_line(int(pid)))}


def command_line(pid: int) -> str:
    """What a process was started with; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    """Return when it is so; fail when it is not so in time."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.1)
