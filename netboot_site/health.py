"""GET /health: is every service at work? Answers within two seconds, whatever is down."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from ninja import Schema, Status

from bootflow.raspberry_pi.waiting.outlook import waiting_warning
from images.models import StorageNode
from images.space import short_nodes, shortage
from netboot_site.models import Heartbeat

HEALTHY = "healthy"
OTHER_NODE = "storage node"  # how another host's services are called, all of them together
FRESH = timedelta(seconds=30)
_ANSWER_WITHIN_SECONDS = 1.5
_SOCKET_SECONDS = 1.0
_TOO_LATE = f"gives no answer within {_ANSWER_WITHIN_SECONDS:g} s"

# Each check has a thread and a connection of its own: a database that hangs must not hang the answer.
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="health")
Checked = dict[str, str]


class Health(Schema):
    """The state of the whole and of each service: `healthy`, or what is wrong; and what may soon be wrong."""

    status: str
    services: dict[str, str]
    warnings: list[str]


def _expected(name: str) -> bool:
    return name in settings.EXPECTED_SERVICES


def _age(name: str, beats: dict[str, Heartbeat]) -> str:
    beat = beats.get(name)
    if beat is None:
        return "not seen at work yet"
    age = timezone.now() - beat.beat_at
    return HEALTHY if age < FRESH else f"not seen at work for {int(age.total_seconds())} s"


def _heartbeats(beats: dict[str, Heartbeat]) -> Checked:
    """Workers and the recorder, by the heartbeat that each writes."""
    wanted = {
        "worker-control": "control",
        "worker-storage": f"storage.{settings.STORAGE_NODE}",
        "worker-jobs": f"storage.{settings.STORAGE_NODE}.jobs",
        "recorder": "recorder",
    }
    return {service: _age(name, beats) for service, name in wanted.items() if _expected(service)}


def _storage_nodes(beats: dict[str, Heartbeat]) -> Checked:
    """This host's target server, and every other storage node as a whole, as their workers last saw them."""
    found = {}
    for node in StorageNode.objects.all():
        if node.name != settings.STORAGE_NODE:
            silent = _age(node.queue, beats)
            found[f"{OTHER_NODE} {node.name}"] = (
                _target_server(node) if silent == HEALTHY else f"worker {silent}"
            )
        elif _expected("tgtd"):
            found["tgtd"] = _target_server(node)
    return found


def _target_server(node: StorageNode) -> str:
    fresh = node.observed_at is not None and timezone.now() - node.observed_at < FRESH
    state = node.observed_target_server or "not seen yet"
    return HEALTHY if fresh and state == "ready" else (state if fresh else "not seen for a while")


def check_database() -> Checked:
    """PostgreSQL, and all that services write there about themselves."""
    try:
        beats = {beat.name: beat for beat in Heartbeat.objects.all()}
        return {"database": HEALTHY, **_heartbeats(beats), **_storage_nodes(beats)}
    except DatabaseError:
        return {"database": "does not answer"}
    finally:
        connection.close()


def check_redis(within_seconds: float = _SOCKET_SECONDS) -> Checked:
    """Redis, which carries messages between web and workers."""
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=within_seconds, socket_connect_timeout=within_seconds
    )
    try:
        client.ping()
    except redis.RedisError:
        return {"redis": "does not answer"}
    finally:
        client.close()
    return {"redis": HEALTHY}


def _listens(path: Path) -> str:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_SOCKET_SECONDS)
        try:
            probe.connect(str(path))
        except OSError:
            return "does not answer"
    return HEALTHY


def check_processes() -> Checked:
    """The other HTTP processes, and dnsmasq."""
    run = settings.RUN_PATH
    sockets = {"boot": run / "boot" / "boot.sock", "storage-http": run / "storage" / "storage.sock"}
    found = {name: _listens(path) for name, path in sockets.items() if _expected(name)}
    if _expected("dnsmasq"):
        found["dnsmasq"] = _dnsmasq(settings.DNSMASQ_PATH / "dnsmasq.pid")
    return found


def _dnsmasq(note: Path) -> str:
    try:
        pid = int(note.read_text())
        runs = Path(f"/proc/{pid}/comm").read_text().strip() == "dnsmasq"
    except (OSError, ValueError):
        runs = False
    return HEALTHY if runs else "does not run"


CHECKS: dict[str, Callable[[], Checked]] = {
    "database": check_database,
    "redis": check_redis,
    "processes": check_processes,
}


def find_warnings() -> list[str]:
    """What works still, but not for long; nothing while the database is away, which the checks tell."""
    try:
        found = [shortage(node) for node in short_nodes()]
    except DatabaseError:
        return []
    finally:
        connection.close()
    # Only a host that serves Raspberry Pis misses what they boot.
    missing = waiting_warning() if _expected("dnsmasq") else ""
    return [*found, missing] if missing else found


def observe() -> tuple[Checked, list[str]]:
    """Every service's state, and the warnings."""
    futures: dict[str, Future[Checked]] = {name: _threads.submit(check) for name, check in CHECKS.items()}
    warnings = _threads.submit(find_warnings)
    everything: list[Future[Any]] = [*futures.values(), warnings]
    wait(everything, timeout=_ANSWER_WITHIN_SECONDS)
    services: Checked = {}
    for name, future in futures.items():
        if future.done():
            services.update(future.result())
        else:
            future.cancel()
            services[name] = _TOO_LATE
    return services, warnings.result() if warnings.done() else []


def health(request: HttpRequest) -> Status[Health]:
    """200 while every service is at work, 503 with the names of those that are not."""
    services, warnings = observe()
    down = [name for name, state in services.items() if state != HEALTHY]
    status = f"unhealthy: {', '.join(down)}" if down else HEALTHY
    return Status(503 if down else 200, Health(status=status, services=services, warnings=warnings))
