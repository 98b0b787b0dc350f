"""Who listens on which port, as /proc tells; of other users' processes only root sees which they are."""

from __future__ import annotations

import os
import pwd
import re
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings

_PROC = Path("/proc")
_LISTENING, _BOUND = "0A", "07"  # include/net/tcp_states.h; UDP has no other
_SUPERVISOR = b"run_supervisor.py"
Wanted = tuple[bool, int]  # whether UDP, and the port


@dataclass(frozen=True, slots=True)
class Holder:
    """A listening socket and whose it is, as far as it may be known."""

    is_udp: bool
    address: str
    port: int
    user: str
    program: str = ""  # empty: not ours to see
    pid: int = 0
    unit: str = ""  # systemd's, if it was started by one
    is_ours: bool | None = None  # None: not known

    @property
    def words(self) -> str:
        """`dhcpd (process 812)`, or whose it is."""
        return f"{self.program} (process {self.pid})" if self.pid else f"a program of the user {self.user}"


@dataclass(frozen=True, slots=True)
class Listening:
    """Who listens on the ports that were asked for, and which programs of ours run."""

    holders: tuple[Holder, ...] = ()
    running: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Socket:
    is_udp: bool
    address: str
    port: int
    uid: int
    inode: str


@dataclass(frozen=True, slots=True)
class Running:
    """A process of this installation."""

    pid: int
    program: str
    uid: int


def read_listening(wanted: Mapping[Wanted, str]) -> Listening:
    """Every socket that listens on one of these ports, which a program of ours is expected to hold."""
    found = [one for one in _sockets(_PROC / "thread-self" / "net") if (one.is_udp, one.port) in wanted]
    ours = read_our_processes()
    owners = _owners({one.inode for one in found})
    return Listening(
        holders=tuple(
            _holder(one, owners.get(one.inode), wanted[one.is_udp, one.port], ours) for one in found
        ),
        running=frozenset(process.program for process in ours),
    )


def parse_sockets(text: str, *, is_udp: bool) -> Iterator[tuple[str, int, int, str]]:
    """Address, port, user and inode of each line of /proc/net/tcp, udp, tcp6 or udp6 that listens. Pure."""
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) >= 10 and words[3] == (_BOUND if is_udp else _LISTENING):
            address, _, port = words[1].partition(":")
            yield _spelled(address), int(port, 16), int(words[7]), words[9]


def _spelled(digits: str) -> str:
    """The kernel prints each 32-bit word in the host's own order."""
    words = [int(digits[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(digits), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words))


def _sockets(folder: Path) -> Iterator[_Socket]:
    for name in ("tcp", "tcp6", "udp", "udp6"):
        is_udp = name.startswith("udp")
        try:
            text = (folder / name).read_text()
        except OSError:
            continue
        for address, port, uid, inode in parse_sockets(text, is_udp=is_udp):
            yield _Socket(is_udp, address, port, uid, inode)


def _owners(inodes: set[str]) -> Mapping[str, int]:
    """The process of each socket that we may see."""
    found: dict[str, int] = {}
    for pid in _pids() if inodes else ():
        try:
            links = [os.readlink(one) for one in os.scandir(_PROC / pid / "fd")]  # noqa: PTH115  # many
        except OSError:
            continue
        numbers = {link[8:-1] for link in links if link.startswith("socket:[")}
        found |= dict.fromkeys(numbers & inodes, int(pid))
    return found


def _holder(one: _Socket, pid: int | None, expected: str, ours: Iterable[Running]) -> Holder:
    found = Holder(one.is_udp, one.address, one.port, _user(one.uid))
    if pid is None:
        # Only root sees whose a socket is; its user is open to all, and so is what we have running.
        is_ours = any(process.program == expected and process.uid == one.uid for process in ours)
        return replace(found, program=expected if is_ours else "", is_ours=is_ours or None)
    return replace(
        found, pid=pid, program=_read(pid, "comm"), unit=unit_of(_read(pid, "cgroup")),
        is_ours=pid in {process.pid for process in ours},
    )  # fmt: skip


def unit_of(cgroup: str) -> str:
    """The systemd service that a process belongs to (cgroups(7)). Pure."""
    found = re.search(r"/([\w@.:\\-]+\.service)(?:/|$)", cgroup, re.MULTILINE)
    return found[1] if found else ""


def read_our_processes() -> list[Running]:
    """All that our supervisor has started: its session's."""
    supervisors: dict[str, bool] = {}
    found = []
    for pid in _pids():
        try:
            # proc(5), /proc/PID/stat: state, ppid, pgrp, session follow the name in parentheses
            session = (_PROC / pid / "stat").read_text().rpartition(")")[2].split()[3]
            if session not in supervisors:
                supervisors[session] = _is_our_supervisor(session)
            if supervisors[session]:
                found.append(Running(int(pid), _read(int(pid), "comm"), (_PROC / pid).stat().st_uid))
        except OSError:
            continue
    return found


def read_our_variables() -> Mapping[str, str]:
    """The environment that our supervisor was started with; empty where it is not to be seen or not there."""
    for pid in _pids():
        if _is_our_supervisor(pid):
            try:
                text = (_PROC / pid / "environ").read_bytes().decode(errors="replace")
            except OSError:
                return {}
            return {name: value for name, _, value in (line.partition("=") for line in text.split("\0"))}
    return {}


def _pids() -> Iterator[str]:
    return (entry.name for entry in _PROC.iterdir() if entry.name.isdigit())


def _is_our_supervisor(pid: str) -> bool:
    """Its command line names a folder of this very installation."""
    try:
        words = (_PROC / pid / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(settings.LAYERS_RUN_PATH) in words and any(_SUPERVISOR in word for word in words)


def _read(pid: int, name: str) -> str:
    try:
        return (_PROC / str(pid) / name).read_text().strip()
    except OSError:
        return ""


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
