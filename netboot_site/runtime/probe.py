"""Waits for servers that have been started, and says what it waits for."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from netboot_site.errors import UnavailableError
from netboot_site.runtime import logs
from netboot_site.runtime.postgres import PORT, takes_queries
from netboot_site.runtime.programs import Program, cluster_path

HEALTHY_WITHIN_SECONDS = 60.0
_LISTENING_WITHIN_SECONDS = 60.0  # a database that was killed replays its log first
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # compared with, not bound


def accepts(path: Path) -> bool:
    """Whether somebody listens on a unix socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _sockets(programs: list[Program]) -> dict[str, Path]:
    known = {
        "postgres": settings.POSTGRES_SOCKET_PATH / f".s.PGSQL.{PORT}",
        "redis": settings.REDIS_SOCKET_PATH,
        "web": settings.RUN_PATH / "web" / "web.sock",
        "boot": settings.RUN_PATH / "boot" / "boot.sock",
        "storage-http": settings.RUN_PATH / "storage" / "storage.sock",
    }
    names = {program.name for program in programs}
    return {name: Path(path) for name, path in known.items() if name in names}


def _ready(name: str, path: Path) -> bool:
    if name == "postgres":  # it listens while it still replays the log of one that was killed
        return accepts(path) and takes_queries(cluster_path(), path.parent)
    return accepts(path)


def wait_for_sockets(programs: list[Program]) -> None:
    """Return when each of these programs listens. Raises UnavailableError with the end of its log."""
    deadline = time.monotonic() + _LISTENING_WITHIN_SECONDS
    waiting = _sockets(programs)
    while waiting and time.monotonic() < deadline:
        waiting = {name: path for name, path in waiting.items() if not _ready(name, path)}
        time.sleep(0.05 if waiting else 0)
    if waiting:
        raise UnavailableError(_why(list(waiting)))


def _why(names: list[str]) -> str:
    parts = []
    for name in names:
        lines = logs.tail(name)
        parts.append(f"{name} did not start. The end of {settings.LOGS_PATH / name}.log:")
        parts.extend(f"    {line}" for line in lines)
    return "\n".join(parts)


def ask_health() -> dict[str, Any]:
    """What /health says, through nginx; `{}` while nobody answers."""
    host = _WILDCARDS.get(settings.API_HOST, settings.API_HOST)
    connection = http.client.HTTPConnection(host, settings.API_PORT, timeout=5)
    try:
        connection.request("GET", "/health")
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else {}


def _missing(answer: dict[str, Any]) -> list[str]:
    """What this host has not got ready; another storage node is not for us to wait for."""
    if not answer:
        return ["nginx"]
    services = answer.get("services")
    if not services:
        return ["web"]
    others = "storage node "  # netboot_site.health.OTHER_NODE
    return [name for name, state in services.items() if state != "healthy" and not name.startswith(others)]


def wait_until_healthy(supervisor: Any, say: Callable[[str], None]) -> None:
    """Return when /health is good. Raises UnavailableError naming what is not."""
    started = time.monotonic()
    said: list[str] = []
    while True:
        answer = ask_health()
        missing = [] if answer.get("status") == "healthy" else _missing(answer)
        if not missing:
            return
        seconds = time.monotonic() - started
        if seconds > 3 and missing != said:
            say(f"waiting for {', '.join(missing)} ...")
            said = missing
        if supervisor.poll() is not None or seconds > HEALTHY_WITHIN_SECONDS:
            raise UnavailableError(_why(missing))
        time.sleep(0.2)
