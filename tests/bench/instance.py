"""A private instance to measure: PostgreSQL, granian and nginx as `make up` has them, on loopback alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "netboot_site.settings")

from netboot_site.runtime import postgres
from netboot_site.runtime.programs import granian

ROOT = Path(__file__).resolve().parents[2]
SERVICE_USER = "netboot"
NGINX_CONF = """
daemon off; {user} worker_processes 2; pid {run}/nginx.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {run}/t1; proxy_temp_path {run}/t2; fastcgi_temp_path {run}/t3;
    uwsgi_temp_path {run}/t4; scgi_temp_path {run}/t5;
    upstream boot {{ server unix:{run}/boot.sock; keepalive 64; }}
    upstream bare {{ server unix:{run}/bare.sock; keepalive 64; }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_set_header X-Real-IP $remote_addr;
    server {{ listen 127.0.0.1:{boot_port}; location / {{ proxy_pass http://boot; }} }}
    server {{ listen 127.0.0.1:{bare_port}; location / {{ proxy_pass http://bare; }} }}
}}
"""


def as_service_user() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={SERVICE_USER}", f"--regid={SERVICE_USER}", "--init-groups"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Instance:
    """Programs of one measurement, all ended when it is over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = path / "run"
        self.boot_port, self.bare_port = free_port(), free_port()
        self._running: list[subprocess.Popen[bytes]] = []
        for folder in (path, self.run, self.run / "postgres"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
            "DATA_PATH": str(self.path),
            "SECRET_KEY": "a key of the measurement that protects nothing at all",
            "BOOT_ADDRESS": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
        }

    def start(self, argv: list[str]) -> subprocess.Popen[bytes]:
        log = (self.path / "programs.log").open("ab")
        program = subprocess.Popen(argv, env=self.environment, cwd=ROOT, stdout=log, stderr=log)
        self._running.append(program)
        return program

    def stop(self) -> None:
        for program in reversed(self._running):
            program.terminate()
        for program in reversed(self._running):
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(20)
            program.kill()

    def start_database(self) -> None:
        argv = [*as_service_user(), *postgres.initdb_command(self._cluster, trust=True)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        self.run_database()
        subprocess.run(["createdb", "-h", self.run / "postgres", "-U", "netboot", "netboot"], check=True)

    @property
    def _cluster(self) -> Path:
        return self.path / "cluster"

    @property
    def _database_socket(self) -> Path:
        return self.run / "postgres" / f".s.PGSQL.{postgres.PORT}"

    def run_database(self) -> None:
        sockets = self._database_socket.parent
        command = postgres.server_command(self._cluster, sockets, postgres.OPTIONS)
        self.database = self.start([*as_service_user(), *command])
        wait_for(self._database_socket)

    def kill_database(self) -> None:
        """As a crash would; what it leaves behind is removed, as the launcher does."""
        self.database.kill()
        self.database.wait(20)
        time.sleep(1)  # until the server processes have noticed that their parent is gone
        self._database_socket.unlink()
        postgres.forget_dead_server(self._cluster)

    def manage(self, *words: str) -> None:
        subprocess.run(
            [sys.executable, "manage.py", *words], env=self.environment, cwd=ROOT, check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def start_application(self, name: str, application: str, workers: int, threads: int) -> None:
        path = self.run / f"{name}.sock"
        self.start(granian(path, application, workers=workers, threads=threads))
        wait_for(path)

    def start_nginx(self) -> None:
        user = f"user {SERVICE_USER};" if os.geteuid() == 0 else ""
        conf = self.path / "nginx.conf"
        conf.write_text(
            NGINX_CONF.format(run=self.run, user=user, boot_port=self.boot_port, bare_port=self.bare_port)
        )
        self.start(["nginx", "-c", str(conf), "-e", "stderr"])
        time.sleep(1)


def wait_for(path: Path) -> None:
    """Until somebody listens: the socket's file is there a little before that."""
    for _ in range(300):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            return
        time.sleep(0.1)
    raise RuntimeError(f"nobody listens at {path.name}")


@contextlib.contextmanager
def private_instance() -> Iterator[Instance]:
    path = Path(tempfile.mkdtemp(prefix="netboot-bench-"))
    instance = Instance(path)
    try:
        instance.start_database()
        instance.manage("migrate")
        yield instance
    finally:
        instance.stop()
        shutil.rmtree(path, ignore_errors=True)
