"""Databases, workers and the processes beside them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings

from netboot_site.doctor.findings import AS_ROOT, SERVICES, START, Finding, Subject, log_of
from netboot_site.doctor.place import Beat, Node, Place, Rows
from netboot_site.health import HEALTHY, check_processes, check_redis

_LATE_SECONDS = 30.0
DATABASE = Subject(
    "database", SERVICES, "PostgreSQL",
    "Everything that should be is kept there: without it nothing changes and no device is recognised.",
)  # fmt: skip
REDIS = Subject(
    "redis", SERVICES, "Redis",
    "It carries messages to the workers; without it changes wait, and machines go on as they are.",
)  # fmt: skip
_PROCESSES = {
    "boot": ("Boot service", "It tells machines what to boot."),
    "storage-http": ("Transfer of disks", "Disks are uploaded and downloaded through it."),
    "dnsmasq": ("dnsmasq", "It is what machines hear first: DHCP, and TFTP."),
}


@dataclass(frozen=True, slots=True)
class Worker:
    """A service that beats: its heartbeat, its program, and what stands still without it."""

    beat: str
    program: str
    title: str
    why: str


def workers_of(place: Place, nodes: Iterable[Node]) -> list[Worker]:
    """Those that this installation has, on all its hosts."""
    found = [
        Worker(
            "control", "worker-control", "Control worker", "It brings to dnsmasq what is changed on pages."
        ),
        Worker("recorder", "recorder", "Recorder", "It writes down what becomes of each boot."),
    ]
    found = [one for one in found if one.program in place.expected]
    for node in nodes:
        disks = "It makes disks and targets what they should be."
        found.append(Worker(node.queue, "worker-storage", f"Storage worker of {node.name}", disks))
        jobs = "It imports, checks and squashes disks."
        found.append(
            Worker(f"{node.queue}.jobs", "worker-jobs", f"Worker for long jobs of {node.name}", jobs)
        )
    return found


def judge_workers(place: Place, rows: Rows) -> list[Finding]:
    """When each did its last round, and what troubled it. Pure."""
    return [_judge_worker(worker, rows.beats.get(worker.beat)) for worker in workers_of(place, rows.nodes)]


def _judge_worker(worker: Worker, beat: Beat | None) -> Finding:
    subject = Subject(f"worker-{worker.beat}", SERVICES, worker.title, worker.why)
    if beat is None:
        return subject.bad("It has not been seen at work yet.", log_of(worker.program))
    if beat.seconds_ago > _LATE_SECONDS:
        what = f"It was last seen at work {_span(beat.seconds_ago)} ago."
        return subject.bad(what, log_of(worker.program))
    if beat.error:
        return subject.warning(f"It is troubled: {beat.error}", log_of(worker.program))
    return subject.good(f"Its last round ended {_span(max(0.0, beat.seconds_ago))} ago.")


def _span(seconds: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"


def judge_database(rows: Rows | str) -> list[Finding]:
    """It answered, or why not. Pure."""
    if isinstance(rows, Rows):
        return [DATABASE.good(f"PostgreSQL {rows.version} answers.")]
    if "ermission denied" in rows:
        return [DATABASE.unknown("This user may not reach the private PostgreSQL.")]
    return [DATABASE.bad("PostgreSQL does not answer.", START)]


def read_redis() -> str:
    """`healthy`, or what is wrong; empty where this user may not reach it."""
    folder = settings.REDIS_SOCKET_PATH.parent
    if (
        str(settings.REDIS_SOCKET_PATH) in settings.REDIS_URL
        and folder.exists()
        and not os.access(folder, os.X_OK)
    ):
        return ""
    return check_redis()["redis"]


def judge_redis(state: str) -> list[Finding]:
    """Pure."""
    if not state:
        return [REDIS.unknown("This user may not reach the private Redis.")]
    return [REDIS.good("Redis answers.")] if state == HEALTHY else [REDIS.bad(f"Redis {state}.", START)]


def read_processes() -> Mapping[str, str] | None:
    """Processes that do not beat; None where this user may not see them."""
    folder = settings.DNSMASQ_PATH
    return None if folder.exists() and not os.access(folder, os.X_OK) else check_processes()


def judge_processes(place: Place, states: Mapping[str, str] | None) -> list[Finding]:
    """Pure."""
    found = []
    subjects = {name: Subject(f"process-{name}", SERVICES, *told) for name, told in _PROCESSES.items()}
    for name, subject in subjects.items():
        if name not in place.expected:
            continue
        state = HEALTHY if states is None else states.get(name, HEALTHY)
        if states is None:
            found.append(subject.unknown("This user may not see it.", AS_ROOT))
        elif state == HEALTHY:
            found.append(subject.good("It is at work."))
        else:
            found.append(subject.bad(f"It {state}.", log_of(name)))
    if place.serves_site and "dnsmasq" not in place.expected:
        found.append(
            subjects["dnsmasq"].bad(
                "It is left out, since the orchestrator was not started as root.", f"sudo {START}"
            )
        )
    return found
