"""Loaded before Django's settings: gives the suite its own DATA_PATH and a private PostgreSQL and Redis.

So does each of pytest's worker processes: no two share anything.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

SERVICE_USER = "netboot"


def as_service_user() -> list[str]:
    """PostgreSQL refuses to run as root: the words that start a program as the service user."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam(SERVICE_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", SERVICE_USER], check=True)
    return ["setpriv", f"--reuid={SERVICE_USER}", f"--regid={SERVICE_USER}", "--clear-groups"]


def _give(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(path, SERVICE_USER, SERVICE_USER)


def start_postgres(data_path: Path) -> None:
    """A throw-away cluster that trusts its socket and never waits for the disk."""
    # Imported here: the environment that settings read is being prepared.
    from netboot_site.runtime import postgres

    cluster, sockets = data_path / "postgres", data_path / "run" / "postgres"
    user = as_service_user()
    _give(cluster)
    _give(sockets)
    subprocess.run(
        [*user, *postgres.initdb_command(cluster, trust=True)], check=True, stdout=subprocess.DEVNULL
    )
    options = {"fsync": "off", "listen_addresses": "", "max_connections": "200", "shared_buffers": "128MB"}
    log = (data_path / "postgres.log").open("wb")
    server = subprocess.Popen(
        [*user, *postgres.server_command(cluster, sockets, options)],
        stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    # SIGINT: PostgreSQL's fast shutdown, which does not wait for the clients to leave.
    atexit.register(lambda: (server.send_signal(signal.SIGINT), server.wait(20)))
    _wait_for(sockets / ".s.PGSQL.5432", server)


def start_redis(data_path: Path) -> None:
    """A Redis that keeps nothing."""
    socket = data_path / "run" / "redis" / "redis.sock"
    _give(socket.parent)
    options = ["--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "777", "--save", ""]
    server = subprocess.Popen(
        [*as_service_user(), "redis-server", *options, "--dir", str(socket.parent)],
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    atexit.register(lambda: (server.terminate(), server.wait(20)))
    _wait_for(socket, server)


def _wait_for(socket: Path, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if socket.exists():
            return
        if server.poll() is not None:
            raise RuntimeError(f"{server.args!r} ended with {server.returncode}")
        time.sleep(0.05)
    raise RuntimeError(f"{socket} did not appear")


def open_the_project() -> None:
    """The service users run our code: a clone below a private folder is opened to them, as `make up` does."""
    from netboot_site.runtime import access, layout

    access.open_ancestors(Path(__file__).resolve().parent, layout.find_accounts())


def _prepare() -> None:
    data_path = Path(tempfile.mkdtemp(prefix="netboot-tests-"))
    data_path.chmod(0o755)
    atexit.register(shutil.rmtree, data_path, ignore_errors=True)
    for name in ("DATABASE_URL", "REDIS_URL", "BOOT_INTERFACE", "DHCP_MODE", "DHCP_RANGE", "IQN_PREFIX"):
        os.environ.pop(name, None)
    os.environ.update(
        DATA_PATH=str(data_path),
        SECRET_KEY="a key of the tests that protects nothing, and is long enough for Django",
        BOOT_ADDRESS="10.66.0.1",
    )
    open_the_project()
    start_postgres(data_path)
    start_redis(data_path)


_prepare()
