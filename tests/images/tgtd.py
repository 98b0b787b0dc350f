"""A real tgtd in a network namespace of its own, and the initiators of libiscsi to log in to it."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from images.tgt import TgtServer, daemon_environment

PORTAL_ADDRESS = "10.77.0.1"
PORTAL = f"{PORTAL_ADDRESS}:3260"
PRIVATE_PORTAL = "127.77.0.1:13260"
_numbers = itertools.count(1)


class Namespace:
    """A network namespace with one address."""

    def __init__(self) -> None:
        self.name = f"nb-t{os.getpid()}-{next(_numbers)}"
        run("ip", "netns", "add", self.name)
        run(*self.inside("ip", "link", "set", "lo", "up"))
        run(*self.inside("ip", "address", "add", f"{PORTAL_ADDRESS}/32", "dev", "lo"))

    def inside(self, *argv: str) -> list[str]:
        """The words that run a program in here; it sees files mounted later, unlike with `ip netns exec`."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", *argv]

    def remove(self) -> None:
        run("ip", "netns", "delete", self.name)


class Tgtd:
    """One tgtd with its own control socket; it can be killed and started again."""

    def __init__(self, namespace: Namespace, portal: str = PRIVATE_PORTAL) -> None:
        self.namespace = namespace
        self.folder = Path(tempfile.mkdtemp(prefix="nb-tgtd-"))
        self.socket_path = self.folder / "control"
        self.server = TgtServer(self.socket_path, PRIVATE_PORTAL)
        self.process: subprocess.Popen[bytes] | None = None
        self.portal = portal
        self.start()

    def start(self) -> None:
        options = f"portal={self.portal},nop_interval=5,nop_count=3"
        self.process = subprocess.Popen(
            self.namespace.inside("tgtd", "-f", "-t", "2", "--iscsi", options),
            env=daemon_environment(self.socket_path),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: self.adm("--op", "show", "--mode", "sys").returncode == 0, 10, "tgtd answers")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def adm(self, *words: str) -> subprocess.CompletedProcess[str]:
        """tgtadm, as a person would use it."""
        return subprocess.run(
            ["tgtadm", "--lld", "iscsi", *words],
            env=daemon_environment(self.socket_path),
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip


class Initiator:
    """A device's side: libiscsi and QEMU's block layer, under the device's initiator name."""

    def __init__(self, namespace: Namespace, name: str, iqn: str, user: str, secret: str) -> None:
        self.namespace, self.name, self.iqn = namespace, name, iqn
        self.url = f"iscsi://{user}%{secret}@{PORTAL}/{iqn}/1"
        self.user, self.secret = user, secret

    def inquire(self, *words: str) -> subprocess.CompletedProcess[str]:
        """iscsi-inq: log in, ask the disk who it is, log out."""
        argv = self.namespace.inside("iscsi-inq", "-i", self.name, *words, self.url)
        return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)

    def io(self, *commands: str) -> subprocess.CompletedProcess[str]:
        """qemu-io: reads and writes."""
        return subprocess.run(
            self.io_argv(*commands), capture_output=True, text=True, timeout=60, check=False
        )

    @contextlib.contextmanager
    def logged_in(self) -> Iterator[None]:
        """Stay logged in."""
        argv = self.io_argv()
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"read 0 512\n")
        process.stdin.flush()
        line = process.stdout.readline()
        try:
            assert b"read 512/512" in line, line
            yield
        finally:
            process.stdin.close()
            process.wait(10)

    def io_argv(self, *commands: str) -> list[str]:
        words = [word for command in commands for word in ("-c", command)]
        options = ",".join(
            [
                "driver=raw,file.driver=iscsi,file.transport=tcp",
                f"file.portal={PORTAL},file.target={self.iqn},file.lun=1",
                f"file.user={self.user},file.password-secret=chap,file.initiator-name={self.name}",
            ]
        )
        secret = ["--object", f"secret,id=chap,data={self.secret}"]
        return self.namespace.inside("qemu-io", *secret, "-d", "unmap", *words, "--image-opts", options)


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, timeout=20)


def wait_until(condition: object, seconds: float, what: str) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
