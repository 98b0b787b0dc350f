"""What a sentence about waiting needs to know: who is logged in, which work goes on, which node is away.

A fixed number of queries, whatever the rows; `images.waiting` makes sentences of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from devices.models import Device
from images.models import Job, JobKind, Session, StorageNode
from netboot_site.formats import mac_hex
from netboot_site.models import Heartbeat

AWAY_AFTER = timedelta(seconds=30)  # a node's worker looks each second
JOBS_SHOWN = 1000
NAME_SHOWN = 48
# The order of images.jobs.round: seconds first, then what somebody asked for, then what can wait.
_PATIENCE = {JobKind.BOOT_FILES: 0, JobKind.CHECKSUM: 2}


@dataclass(frozen=True, slots=True)
class Login:
    """A machine at a disk."""

    device: str
    mac: str
    address: str
    since: datetime

    @property
    def short(self) -> str:
        """Its name, or the beginning of a very long one: it stands in the middle of sentences."""
        return shortened(self.device)

    def __str__(self) -> str:
        where = f"{self.address}, " if self.address else ""
        return f"{self.short} ({where}logged in since {told(self.since)})"


@dataclass(frozen=True, slots=True)
class NodeNow:
    """A storage node as it was last seen at work."""

    name: str
    seen_at: datetime | None
    jobs_seen_at: datetime | None
    target_server: str
    short_bytes: int  # what its free room lacks to its reserve

    @classmethod
    def of(cls, node: StorageNode, jobs_seen_at: datetime | None) -> Self:
        """From its row, and the heartbeat of its worker for long work."""
        short = (node.observed_reserve_bytes or 0) - (node.observed_free_bytes or 0)
        return cls(
            node.name, node.observed_at, jobs_seen_at, node.observed_target_server,
            short if node.is_short_of_room else 0,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Around:
    """All of it, at one moment."""

    now: datetime
    logins: Mapping[str, list[Login]] = field(default_factory=dict)  # by their target's name
    nodes: Mapping[str, NodeNow] = field(default_factory=dict)
    jobs: Mapping[str, list[Job]] = field(default_factory=dict)  # unfinished, by node, in their order

    def is_away(self, seen_at: datetime | None) -> bool:
        """Whether somebody who was seen then is missing now."""
        return seen_at is None or self.now - seen_at > AWAY_AFTER


def look_around(image_ids: Collection[str] | None = None) -> Around:
    """What goes on at these images (all of them), and on every node. Five queries."""
    return Around(timezone.now(), _logins(image_ids), _nodes(), _jobs())


def shortened(name: str) -> str:
    """A name as sentences have it."""
    return name if len(name) <= NAME_SHOWN else f"{name[: NAME_SHOWN - 1]}…"


def told(at: datetime) -> str:
    """A moment, as sentences have it."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def initiator_names(sessions: Iterable[Session]) -> dict[str, tuple[str, str]]:
    """What the pages call the devices behind these logins, and their MAC addresses. One query."""
    names = {session.initiator_name for session in sessions}
    prefix = f"{settings.IQN_PREFIX}:device."
    macs = [_mac(name.removeprefix(prefix)) for name in names if name.startswith(prefix)]
    rows = Device.objects.filter(mac__in=macs).values_list("mac", "name")
    return {f"{prefix}{mac_hex(mac)}": (name or mac, mac) for mac, name in rows}


def logins_of(sessions: Iterable[Session]) -> dict[str, list[Login]]:
    """The machines behind open sessions, by their target's name. One query."""
    rows, found = list(sessions), dict[str, list[Login]]()
    names = initiator_names(rows)
    for row in rows:
        name, mac = names.get(row.initiator_name, (row.initiator_name, ""))
        login = Login(name, mac, row.address or "", row.started_at)
        found.setdefault(row.iqn, []).append(login)
    return found


def _logins(image_ids: Collection[str] | None) -> dict[str, list[Login]]:
    wanted = Q() if image_ids is None else Q(image__in=image_ids)
    return logins_of(Session.objects.filter(wanted, ended_at=None).order_by("started_at", "pk"))


def _nodes() -> dict[str, NodeNow]:
    rows = list(StorageNode.objects.all())
    workers = [f"{node.queue}.jobs" for node in rows]
    beats = dict(Heartbeat.objects.filter(name__in=workers).values_list("name", "beat_at"))
    return {node.name: NodeNow.of(node, beats.get(f"{node.queue}.jobs")) for node in rows}


def _jobs() -> dict[str, list[Job]]:
    rows = Job.objects.filter(finished_at=None).exclude(kind=JobKind.EXPORT)  # whoever downloads does that
    found: dict[str, list[Job]] = {}
    for job in sorted(rows.select_related("image", "version")[:JOBS_SHOWN], key=_place):
        found.setdefault(job.image.node_id, []).append(job)
    return found


def _place(job: Job) -> tuple[int, int]:
    return _PATIENCE.get(JobKind(job.kind), 1), job.pk


def _mac(digits: str) -> str:
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
