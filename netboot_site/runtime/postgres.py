"""The private PostgreSQL cluster: how it is made, configured and started."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from netboot_site import system
from netboot_site.errors import UnavailableError

ROLE = "netboot"
PORT = 5432  # names the socket file, .s.PGSQL.5432; nothing listens on TCP
_VERSIONS = Path("/usr/lib/postgresql")

# Durable on purpose: fsync and synchronous_commit keep their default, on. The rest is for a small memory.
OPTIONS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "wal_keep_size": "0",
    "max_wal_size": "512MB",
    "min_wal_size": "80MB",
    "max_parallel_workers": "2",
    "cluster_name": "netboot-orchestrator",
}


def binaries(cluster: Path) -> Path:
    """The programs of the version that the cluster was made with, else of the newest one installed."""
    installed = {int(path.parent.name): path for path in _VERSIONS.glob("[0-9]*/bin")}
    if not installed:
        raise UnavailableError("PostgreSQL is not installed; `make setup` installs it.")
    try:
        made_with = int((cluster / "PG_VERSION").read_text())
    except FileNotFoundError:
        return installed[max(installed)]
    if made_with not in installed:
        raise UnavailableError(
            f"The database was made with PostgreSQL {made_with}, of which only "
            f"{', '.join(map(str, sorted(installed)))} are installed: install postgresql-{made_with}."
        )
    return installed[made_with]


def initdb_command(cluster: Path, *, trust: bool = False) -> list[str]:
    """What makes a new cluster whose superuser is our role."""
    method = "trust" if trust else "peer"
    words = ["-D", str(cluster), "-U", ROLE, f"--auth={method}", "-E", "UTF8", "--locale=C.UTF-8"]
    return [str(binaries(cluster) / "initdb"), *words, *(["--no-sync"] if trust else [])]


def server_command(cluster: Path, sockets: Path, options: dict[str, str]) -> list[str]:
    """What runs the cluster in the foreground, listening in the folder `sockets` alone."""
    settings = {"unix_socket_directories": str(sockets), "port": str(PORT), **options}
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return [str(binaries(cluster) / "postgres"), "-D", str(cluster), *words]


def access_rules() -> str:
    """pg_hba.conf: local users that pg_ident.conf knows, and nobody else."""
    return "# TYPE DATABASE USER METHOD\nlocal all all peer map=netboot\n"


def identity_map(users: Iterable[str]) -> str:
    """pg_ident.conf: these system users are our role."""
    lines = [f'netboot "{user}" {ROLE}' for user in sorted(set(users))]
    return "# MAPNAME SYSTEM-USER ROLE\n" + "\n".join(lines) + "\n"


def make_cluster(cluster: Path, as_user: Sequence[str], users: Iterable[str]) -> bool:
    """Make the cluster unless it is there, and write who may enter; returns whether it is new."""
    fresh = not cluster.exists()
    if fresh:
        _run_initdb(cluster, as_user)
    for name, text in (("pg_hba.conf", access_rules()), ("pg_ident.conf", identity_map(users))):
        (cluster / name).write_text(text)
    forget_dead_server(cluster)
    return fresh


def _run_initdb(cluster: Path, as_user: Sequence[str]) -> None:
    half_done = cluster.with_name("new")  # renamed at the end: a cluster is whole or not there
    if half_done.exists():
        shutil.rmtree(half_done)
    single = [str(binaries(cluster) / "postgres"), "--single", "-D", str(half_done), "template1"]
    for argv, stdin in ((initdb_command(half_done), None), (single, f"CREATE DATABASE {ROLE}\n")):
        done = system.run([*as_user, *argv], timeout_seconds=60, stdin=stdin)
        if done.exit_code != 0:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise UnavailableError(f"PostgreSQL could not be prepared: {' '.join(reason)}")
    half_done.rename(cluster)


def takes_queries(cluster: Path, sockets: Path) -> bool:
    """Whether the server is past its start and its recovery."""
    argv = [str(binaries(cluster) / "pg_isready"), "--quiet", "-h", str(sockets), "-p", str(PORT), "-d", ROLE]
    return system.run(argv).exit_code == 0


def forget_dead_server(cluster: Path) -> None:
    """Remove the note of a server that was killed, where its process number now belongs to another program.

    PostgreSQL itself sees through the note of a dead process, but takes any living one of the same user for
    its predecessor. Only called while the launcher holds DATA_PATH's lock and nothing of ours runs.
    """
    note = cluster / "postmaster.pid"
    try:
        pid = int(note.read_text().splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return
    try:
        process = Path(f"/proc/{pid}")
        # A server's working folder is its cluster; that of a stranger is not ours to read, nor is it needed.
        ours = (process / "comm").read_text().strip() == "postgres" and (
            (process / "cwd").readlink() == cluster.resolve()
        )
    except OSError:
        return
    if not ours:
        note.unlink()
