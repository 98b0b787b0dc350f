"""The programs of an instance, as supervisor is to run them (the table is in docs/DEPLOYMENT.md)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from netboot_site.runtime import postgres
from netboot_site.runtime.layout import Account, Accounts, become

PYTHON = str(settings.BASE_PATH / ".venv" / "bin" / "python")
START_PROGRAM = settings.BASE_PATH / "deploy" / "supervisor" / "start_program.py"
_MIB = 1024**2
_NET_RAW = 13  # linux/capability.h

# Group priorities: supervisor starts them in this order and stops them in the reverse one.
BASE, SERVICES, FRONT = "base", "services", "front"
GROUPS = (BASE, SERVICES, FRONT)
ROOM_WATCH = "room-watch"
# What a host runs that serves disks alone (settings.STORAGE_ONLY).
STORAGE_PROGRAMS = {"storage-http", "worker-storage", "worker-jobs", ROOM_WATCH, "beat", "tgtd", "nginx"}


@dataclass(frozen=True, slots=True)
class Program:
    """One program: who runs it, and how it is asked to end."""

    name: str
    group: str
    account: Account
    argv: list[str]
    stop_signal: str = "TERM"
    stop_seconds: int = 8
    log_bytes: int = 10 * _MIB
    log_backups: int = 2
    capabilities: str = ""  # kept as ambient capabilities, for a program that is not root

    def command(self, accounts: Accounts) -> str:
        """The whole command line, as supervisor's configuration spells it."""
        note = settings.RUN_PATH / "supervisor" / f"{self.name}.started"
        words = [
            "/usr/bin/python3",
            "-I",
            str(START_PROGRAM),
            str(note),
            *self._wrapper(accounts),
            *self.argv,
        ]
        return shlex.join(words).replace("%", "%%")

    def _wrapper(self, accounts: Accounts) -> list[str]:
        # A supervisor that is killed leaves nothing behind: the kernel sends the stop signal for it.
        words = become(self.account, accounts) or ["setpriv"]
        if self.capabilities:
            caps = ",".join(f"+{name}" for name in self.capabilities.split(","))
            words = [*words, f"--inh-caps={caps}", f"--ambient-caps={caps}"]
        return [*words, f"--pdeathsig={self.stop_signal}"]


def granian(socket: Path, application: str, *, workers: int, threads: int) -> list[str]:
    options = [
        "--interface", "wsgi", "--uds", str(socket), "--uds-permissions", "0666",
        "--workers", str(workers), "--blocking-threads", str(threads), "--no-ws", "--http", "1",
        "--log-level", "warning", "--respawn-failed-workers", "--workers-kill-timeout", "5",
    ]  # fmt: skip
    return [PYTHON, "-m", "granian", *options, application]


def _celery(*words: str) -> list[str]:
    return [PYTHON, "-m", "celery", "-A", "netboot_site", *words]


def _worker(queue: str, tasks: int = 1) -> list[str]:
    # Without gossip, mingle and heartbeat, which serve clusters of workers.
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", settings.LOG_LEVEL]
    return _celery("worker", "-Q", queue, "-c", str(tasks), "-n", f"{queue}@%h", *quiet)


def _jobs_worker() -> list[str]:
    # Behind everything that serves a machine. SIGTERM ends it at once: celery would wait for the work in
    # progress, which may take hours; whoever starts next picks it up.
    behind = ["env", "REMAP_SIGTERM=SIGQUIT", "nice", "-n", "10", "ionice", "-c", "2", "-n", "7"]
    return [*behind, *_worker(settings.JOBS_QUEUE, tasks=2)]


def _manage(command: str) -> list[str]:
    return [PYTHON, str(settings.BASE_PATH / "manage.py"), command]


def private_postgres() -> bool:
    """Whether the database is the one under DATA_PATH, and not an existing server (DATABASE_URL)."""
    return str(settings.DATABASES["default"]["HOST"]) == str(settings.POSTGRES_SOCKET_PATH)


def private_redis() -> bool:
    """Whether Redis is the one under DATA_PATH, and not an existing server (REDIS_URL)."""
    return f"unix://{settings.REDIS_SOCKET_PATH}" in settings.REDIS_URL


def cluster_path() -> Path:
    """Where the private PostgreSQL keeps its files."""
    return Path(settings.DATA_PATH / "postgres" / "data")


def _base(accounts: Accounts, redis_conf: Path) -> list[Program]:
    found = []
    if private_postgres():
        argv = postgres.server_command(cluster_path(), settings.POSTGRES_SOCKET_PATH, postgres.OPTIONS)
        # SIGINT is PostgreSQL's fast shutdown: sessions are ended, everything is written.
        found.append(Program("postgres", BASE, accounts.service, argv, stop_signal="INT", stop_seconds=30))
    if private_redis():
        found.append(Program("redis", BASE, accounts.service, ["redis-server", str(redis_conf)]))
    return found


def _python_services(accounts: Accounts) -> list[Program]:
    web, disks, run = accounts.service, accounts.storage, settings.RUN_PATH
    site, boot = "netboot_site.wsgi:application", "netboot_site.boot_wsgi:application"
    beat = _celery("beat", "-l", settings.LOG_LEVEL, "-s", str(run / "beat" / "schedule"), "--pidfile=")
    return [
        Program("web", SERVICES, web, granian(run / "web" / "web.sock", site, workers=1, threads=8)),
        Program("boot", SERVICES, web, granian(run / "boot" / "boot.sock", boot, workers=2, threads=4)),
        Program(
            "storage-http", SERVICES, disks,
            granian(run / "storage" / "storage.sock", site, workers=1, threads=16),
        ),
        Program("worker-control", SERVICES, web, _worker("control"), capabilities=_raw_sockets(accounts)),
        Program("worker-storage", SERVICES, disks, _worker(settings.STORAGE_QUEUE)),
        Program("worker-jobs", SERVICES, disks, _jobs_worker()),
        Program(ROOM_WATCH, SERVICES, disks, _manage("run_room_watch")),
        Program("beat", SERVICES, web, beat),
        Program("recorder", SERVICES, web, _manage("run_recorder")),
    ]  # fmt: skip


def _raw_sockets(accounts: Accounts) -> str:
    """The right to look at the boot network's wire and to wake machines on it, where it can be given."""
    return "net_raw" if accounts.privileged and may_give(_NET_RAW) else ""


def may_give(capability: int, status: Path = Path("/proc/self/status")) -> bool:
    """Whether a program of ours may get this capability: containers are often started without some."""
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status.read_text(), re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> capability & 1)


def _daemons(accounts: Accounts, nginx_conf: Path) -> list[Program]:
    # tgtd is ended by SIGKILL on purpose: it ignores SIGTERM while it has targets. Every write that it has
    # acknowledged is in the page cache by then; initiators see a reset connection and log in again.
    tgtd = Program("tgtd", SERVICES, accounts.storage, _manage("run_tgtd"), stop_signal="KILL")
    nginx = ["nginx", "-c", str(nginx_conf), "-e", "stderr"]
    found = [tgtd, Program("nginx", FRONT, accounts.launcher, nginx, stop_signal="TERM")]
    if accounts.privileged:
        caps = "net_admin,net_raw,net_bind_service"
        argv = _manage("run_dnsmasq")
        found.append(Program("dnsmasq", FRONT, accounts.service, argv, log_backups=1, capabilities=caps))
    return found


def all_programs(
    accounts: Accounts, commands: Collection[str], nginx_conf: Path, redis_conf: Path
) -> list[Program]:
    """Every program of this instance; a management command that does not exist is left out."""
    found = [*_base(accounts, redis_conf), *_python_services(accounts), *_daemons(accounts, nginx_conf)]
    if settings.STORAGE_ONLY:
        found = [program for program in found if program.name in STORAGE_PROGRAMS]
    return [program for program in found if _exists(program, commands)]


def _exists(program: Program, commands: Collection[str]) -> bool:
    manage = str(settings.BASE_PATH / "manage.py")
    return manage not in program.argv or program.argv[-1] in commands
