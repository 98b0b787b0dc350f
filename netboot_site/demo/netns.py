"""Network namespaces with bridges, taps and veth pairs; all that we make has a name that starts with `nb`."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass

from netboot_site.errors import UnavailableError
from netboot_site.system import Completed, run

PREFIX = "nb"
INTERFACE_NAME_LENGTH = 15  # linux/if.h: IFNAMSIZ is 16, with the NUL
BRIDGE = "br0"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace of ours, by name."""

    name: str

    def __post_init__(self) -> None:
        if not self.name.startswith(PREFIX):
            raise ValueError(f"A namespace of ours is named {PREFIX}..., not {self.name}.")

    def create(self) -> None:
        """Make it afresh; one of that name that a crash left is removed first."""
        self.remove()
        _ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def remove(self) -> None:
        """End what still runs in it and remove it with its interfaces; nothing happens if it is not there."""
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.exists():
            _ip("netns", "delete", self.name)

    def exists(self) -> bool:
        return any(line.split()[0] == self.name for line in _ip("netns", "list").stdout.splitlines())

    def pids(self) -> list[int]:
        """The processes that run in it."""
        done = run(["ip", "netns", "pids", self.name])
        return [int(word) for word in done.stdout.split()] if done.exit_code == 0 else []

    def ip(self, *words: str) -> Completed:
        """`ip` inside it."""
        return _ip("-n", self.name, *words)

    def argv(self, *words: str) -> list[str]:
        """The words that run a program inside it; unlike `ip netns exec`, with this process's mounts."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *words]

    def run(self, *words: str, timeout_seconds: float = 10.0) -> Completed:
        return run(self.argv(*words), timeout_seconds=timeout_seconds)

    def add_bridge(self, *, address: str | None = None) -> None:
        """The wire: a bridge that forwards at once, with our address on it if one is given."""
        self.ip("link", "add", BRIDGE, "type", "bridge", "forward_delay", "0", "stp_state", "0")
        self.ip("link", "set", BRIDGE, "up")
        if address:
            self.ip("address", "add", address, "dev", BRIDGE)

    def add_tap(self, name: str, *, bridge: str = BRIDGE) -> None:
        """A network card's socket on the wire."""
        self.ip("tuntap", "add", "dev", name, "mode", "tap")
        self.ip("link", "set", name, "master", bridge, "up")


def add_cable(
    namespace: Namespace,
    inside: str,
    outside: str,
    other: Namespace | None,
    address: str,
    *,
    bridge: str = BRIDGE,
) -> None:
    """A cable from the wire in `namespace` to the interface `outside` of another one, or of this machine."""
    remove_interface(outside, other)
    words = ["link", "add", inside, "netns", namespace.name, "type", "veth", "peer", "name", outside]
    _ip(*words, *(["netns", other.name] if other else []))
    namespace.ip("link", "set", inside, "master", bridge, "up")
    enter = ["-n", other.name] if other else []
    _ip(*enter, "address", "add", address, "dev", outside)
    _ip(*enter, "link", "set", outside, "up")


def remove_interface(name: str, namespace: Namespace | None = None) -> None:
    """Remove an interface of ours, if it is there."""
    enter = ["-n", namespace.name] if namespace else []
    # It may go by itself in this very moment: the kernel clears a removed namespace a little later.
    done = run(["ip", *enter, "link", "delete", "dev", name])
    if done.exit_code != 0 and run(["ip", *enter, "link", "show", "dev", name]).exit_code == 0:
        raise _failure(done)


def _ip(*words: str) -> Completed:
    done = run(["ip", *words])
    if done.exit_code != 0:
        raise _failure(done)
    return done


def _failure(done: Completed) -> UnavailableError:
    reason = done.stderr.strip() or "no reason given"
    return UnavailableError(f"The private network could not be made: `{' '.join(done.argv)}` says: {reason}")
