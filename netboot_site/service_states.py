"""Every service with its state in words, and what it means for machines while one is down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from django.conf import settings
from django.utils import timezone

from netboot_site.health import FRESH, HEALTHY, check_processes, check_redis
from netboot_site.models import Heartbeat

UP, TROUBLED, DOWN, UNKNOWN = "up", "troubled", "down", "unknown"
# By the name that /health and the log files know it by: what it does, and what a machine notices without it.
_ROLES = {
    "postgresql": ("keeps every setting", ""),
    "redis": ("wakes the workers", "What is changed now is kept, and takes effect when it is back."),
    "dnsmasq": (
        "DHCP and TFTP", "Machines that run notice nothing; none can start from the network until it is back."
    ),
    "boot": ("scripts for machines", "Machines that start now wait for it and ask again."),
    "tgtd": (
        "disks over iSCSI",
        "Machines that use its disks wait, and carry on when it is back; none can start from one until then.",
    ),
    "worker-control": ("network and boot files", "Machines boot as before; changes wait for it."),
    "worker-storage": ("makes and changes disks", "Disks are served as before; changes wait for it."),
    "worker-jobs": ("imports and other long work", "Imports, checksums and merges wait for it."),
    "recorder": ("records each boot", "Machines boot; what they did is read from the logs when it is back."),
    "storage-http": ("bytes of disks in and out", "Uploads and downloads of disks wait for it."),
}  # fmt: skip
_REDIS_SECONDS = 0.3  # for a page; a Redis at work answers within a millisecond
_SILENT = "Its log tells why."


@dataclass(frozen=True, slots=True)
class Service:
    """A service and its state: up, troubled, down or unknown."""

    name: str
    role: str
    state: str
    trouble: str = ""
    node: str = ""

    @property
    def word(self) -> str:
        """The state as a person reads it."""
        return {UP: "At work", TROUBLED: "Troubled", DOWN: "Down"}.get(self.state, "Not seen yet")


class Node(Protocol):
    """A storage node, as its worker last saw it."""

    @property
    def name(self) -> str:
        """How it is called."""

    @property
    def target_server(self) -> str:
        """`ready`, `offline` or `down`."""

    @property
    def observed_at(self) -> datetime | None:
        """When the worker last looked."""

    @property
    def last_error(self) -> str:
        """What troubled it."""


class SeenNode(NamedTuple):
    """The same without its room, which takes longer to count."""

    name: str
    target_server: str
    observed_at: datetime | None
    last_error: str


def service_states(nodes: Iterable[Node]) -> list[Service]:
    """Every service that is expected here, and those of each storage node. One query."""
    beats = {row.name: row for row in Heartbeat.objects.all()}
    found = {**check_redis(_REDIS_SECONDS), **check_processes()}
    processes = [_process(name, state) for name, state in sorted(found.items())]
    return [_of("postgresql", UP), *processes, *_workers(beats), *_storage(nodes, beats)]


def outages(nodes: Iterable[Node]) -> list[Service]:
    """What is down of Redis and storage nodes; a node's silence is its worker's. No query."""
    found = [_process(name, state) for name, state in check_redis(_REDIS_SECONDS).items()]
    found.extend(_storage_worker(node) or _target_server(node) for node in nodes)
    return [one for one in found if one.state == DOWN]


def _storage_worker(node: Node) -> Service | None:
    """Nothing, unless it has been silent: then nobody knows how the target server is."""
    if node.observed_at is None or timezone.now() - node.observed_at <= FRESH:
        return None
    return _silent("worker-storage", timezone.now() - node.observed_at, node.name)


def _of(name: str, state: str, trouble: str = "", node: str = "") -> Service:
    role, without = _ROLES[name]
    told = " ".join(filter(None, (trouble, without if state == DOWN else "")))
    return Service(name, role, state, told, node)


def _process(name: str, found: str) -> Service:
    return _of(name, UP) if found == HEALTHY else _of(name, DOWN, f"It {found}.")


def _workers(beats: dict[str, Heartbeat]) -> list[Service]:
    names = {"worker-control": "control", "recorder": "recorder"}
    return [
        _worker(name, beats.get(key)) for name, key in names.items() if name in settings.EXPECTED_SERVICES
    ]


def _storage(nodes: Iterable[Node], beats: dict[str, Heartbeat]) -> list[Service]:
    found = []
    for node in nodes:
        found.append(_target_server(node))
        found.append(_worker("worker-storage", beats.get(f"storage.{node.name}"), node.name))
        found.append(_worker("worker-jobs", beats.get(f"storage.{node.name}.jobs"), node.name))
    here = settings.EXPECTED_SERVICES
    return [one for one in found if one.node != settings.STORAGE_NODE or one.name in here]


def _worker(name: str, row: Heartbeat | None, node: str = "") -> Service:
    if row is None:
        return _of(name, UNKNOWN, node=node)
    silence = timezone.now() - row.beat_at
    if silence > FRESH:
        return _silent(name, silence, node)
    return _of(name, TROUBLED if row.last_error else UP, row.last_error, node)


def _silent(name: str, silence: timedelta, node: str) -> Service:
    # In whole minutes: a page that is asked for every few seconds says the same for a while.
    minutes = int(silence.total_seconds() // 60)
    since = f"for {minutes} min" if minutes else "for half a minute"
    return _of(name, DOWN, f"It has been silent {since}. {_SILENT}", node)


def _target_server(node: Node) -> Service:
    if node.observed_at is None:
        return _of("tgtd", UNKNOWN, node=node.name)
    if timezone.now() - node.observed_at > FRESH:
        return _of("tgtd", UNKNOWN, "Its worker has not looked for a while.", node.name)
    if node.target_server != "ready":
        return _of("tgtd", DOWN, node.last_error or "It does not answer.", node.name)
    return _of("tgtd", TROUBLED if node.last_error else UP, node.last_error, node.name)
