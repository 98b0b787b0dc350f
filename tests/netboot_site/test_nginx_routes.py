"""A real nginx with our configuration: which port serves what, from whom, and what a client can forge."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import pytest
from django.test import override_settings

from netboot_site.runtime import configuration
from netboot_site.runtime.layout import find_accounts, folders, make_folders
from netboot_site.runtime.network import BootEndpoint
from tests.netboot_site.conftest import point_settings_at

UPSTREAMS = {"web": "web/web.sock", "boot": "boot/boot.sock", "storage": "storage/storage.sock"}
FORGED = {"X-Real-IP": "6.6.6.6", "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil", "Forwarded": "x"}


class Stub(BaseHTTPRequestHandler):
    """Tells who was asked, and with what."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        said = {"by": self.server.name, "uri": self.path, "headers": dict(self.headers)}  # type: ignore[attr-defined]
        said["body"] = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        text = json.dumps(said).encode()
        self.send_response(404 if "missing" in self.path else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_PUT = do_POST = do_GET  # noqa: N815  # the names that http.server asks for

    def log_message(self, *words: object) -> None:
        """Quiet."""


class StubServer(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    name = ""


@dataclass(frozen=True)
class Answer:
    status: int
    kind: str
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


@dataclass
class Front:
    """nginx, and its ports."""

    folder: Path
    ports: dict[str, int]

    def ask(self, port: str, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return Answer(answer.status, answer.headers.get_content_type(), text, dict(answer.headers))


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    numbers = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return numbers


def serve(folder: Path, names: set[str]) -> list[StubServer]:
    servers = []
    for name in names:
        path = folder / "run" / UPSTREAMS[name]
        server = StubServer(str(path), Stub)
        server.name = name
        path.chmod(0o666)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
    return servers


def start_nginx(folder: Path, ports: dict[str, int]) -> subprocess.Popen[bytes]:
    configuration.nginx_conf().write_text(configuration.nginx_text(find_accounts()))
    away = configuration.away_script(BootEndpoint("eth0", "192.168.7.2"))
    configuration.nginx_conf().with_name("away.ipxe").write_text(away)
    for path, text in configuration.away_pages().items():
        path.write_text(text)
    log = (folder / "nginx.log").open("wb")
    argv = ["nginx", "-c", str(configuration.nginx_conf()), "-e", "stderr"]
    process = subprocess.Popen(argv, stderr=log)
    for port in ports.values():
        wait_for_port(process, port, folder / "nginx.log")
    return process


def wait_for_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + 15
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        else:
            return


def running(names: set[str]) -> Iterator[Front]:
    """nginx before those of its upstreams."""
    folder = Path(tempfile.mkdtemp(prefix="netboot-nginx-"))
    folder.chmod(0o755)  # its workers are the service user's
    ports = dict(zip(("pages", "dashboard", "boot"), free_ports(3), strict=True))
    numbers = {"API_PORT": ports["pages"], "DASHBOARD_PORT": ports["dashboard"]}
    chosen = override_settings(API_HOST="127.0.0.1", BOOT_HTTP_PORT=ports["boot"], **numbers)
    with chosen, pytest.MonkeyPatch.context() as monkeypatch:
        from django.conf import settings

        point_settings_at(settings, monkeypatch, folder)
        make_folders(folders(find_accounts()))
        (folder / "boot_files" / "x").mkdir()
        (folder / "boot_files" / "x" / "kernel8.img").write_bytes(b"k" * 5000)
        (folder / "static" / "site.0123456789ab.css").write_text("a{}")
        (folder / "static" / "site.css").write_text("a{}")
        servers = serve(folder, names)
        process = start_nginx(folder, ports)
        try:
            yield Front(folder, ports)
        finally:
            process.terminate()
            process.wait(15)
            for server in servers:
                server.shutdown()
                server.server_close()
            shutil.rmtree(folder)


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    yield from running({"web", "boot", "storage"})


@pytest.fixture(scope="module")
def lonely() -> Iterator[Front]:
    """nginx while every service is being restarted."""
    yield from running(set())


SITE = ("pages", "dashboard")
ROUTES = [
    (SITE, "/", "web"),
    (SITE, "/api/v1/devices", "web"),
    (SITE, "/health", "web"),
    (SITE, "/api/v1/images/disk-1/content", "storage"),
    (SITE, "/api/v1/images/disk-1/contents", "web"),
    (SITE, "/api/v1/images/disk-1/import", "storage"),
    (SITE, "/api/v1/import-files", "storage"),
    (SITE, "/api/v1/images/a/b/content", "web"),
    (SITE, "/api/v1/images", "web"),
    (SITE, "/api/v1/kernel-sets/mine/files/overlays/x.dtbo", "web"),
    (SITE, "/kernel-sets/mine/upload/", "web"),
    ((*SITE, "boot"), "/boot/boot.ipxe", "boot"),
    ((*SITE, "boot"), "/boot/script?mac=52:54:00:00:00:01&retry=2", "boot"),
    ((*SITE, "boot"), "/api/v1/boot/check-in?mac=52:54:00:00:00:01", "boot"),
]


@pytest.mark.parametrize(
    ("port", "path", "service"), [(port, path, by) for ports, path, by in ROUTES for port in ports]
)
def test_each_address_reaches_its_service_whole(front: Front, port: str, path: str, service: str) -> None:
    said = front.ask(port, path).json
    assert (said["by"], said["uri"]) == (service, path)


@pytest.mark.parametrize(
    "path",
    ["/", "/login/", "/admin/", "/health", "/metrics", "/api/v1/devices", "/api/v1/images/a/content",
     "/static/site.css", "/bootx", "/api/v1/boot/check-in/", "/boot/../api/v1/devices",
     "/boot/%2e%2e/health"],
)  # fmt: skip
def test_the_boot_network_reaches_nothing_else(front: Front, path: str) -> None:
    answer = front.ask("boot", path)
    assert (answer.status, answer.text) == (404, "There is nothing here but /boot/.\n")


@pytest.mark.parametrize(
    "path", ["/", "/boot/boot.ipxe", "/api/v1/images/a/content", "/api/v1/boot/check-in"]
)
def test_a_client_cannot_say_where_it_comes_from(front: Front, path: str) -> None:
    headers = {
        name.lower(): value for name, value in front.ask("pages", path, **FORGED).json["headers"].items()
    }
    assert headers["x-real-ip"] == "127.0.0.1"
    assert not {"x-forwarded-for", "x-forwarded-host", "forwarded"} & headers.keys(), headers
    assert headers["host"] == f"127.0.0.1:{front.ports['pages']}"


def test_only_disks_boot_files_and_lists_of_devices_may_be_large(front: Front) -> None:
    body = b"x" * (3 * 1024**2)
    for path in ("/api/v1/images/a/content", "/api/v1/kernel-sets/a/files/overlays/x.dtbo",
                 "/kernel-sets/a/upload/", "/devices/import/", "/api/v1/devices/import"):  # fmt: skip
        assert front.ask("pages", path, "PUT", body).json["body"] == len(body), path
    refused = front.ask("pages", "/api/v1/images", "POST", body)
    assert (refused.status, "larger than 2 MiB" in refused.json["detail"]) == (413, True)


def test_a_boot_file_is_sent_and_noted_as_one_json_object(front: Front) -> None:
    log = front.folder / "logs" / "boot-files.log"
    for port, name, status in (
        ("boot", "kernel8.img", 200),
        ("pages", "kernel8.img", 200),
        ("boot", 'no"such', 404),
    ):
        path, before = f"/boot/files/x/{name}", time.time()
        answer = front.ask(port, path.replace('"', "%22"))
        until = time.monotonic() + 5
        while not (lines := log.read_text().splitlines()) or json.loads(lines[-1])["uri"] != path:
            assert time.monotonic() < until, lines
            time.sleep(0.02)
        noted = json.loads(lines[-1])
        assert (answer.status, noted["status"], noted["address"]) == (status, status, "127.0.0.1")
        assert noted["bytes"] == len(answer.text)
        assert before - 1 <= noted["at"] <= time.time() + 1
        assert noted["seconds"] >= 0
        log.write_text("")


@pytest.mark.parametrize(
    "path", ["/boot/files/x/none", "/boot/files/x", "/boot/files/", "/boot/files/..%2f..%2fsecret-key"]
)
def test_what_is_no_boot_file_is_told_in_one_line(front: Front, path: str) -> None:
    (front.folder / "secret-key").write_text("key")
    answer = front.ask("boot", path)
    assert (answer.status, answer.kind) == (404, "text/plain"), answer.text
    assert "Location" not in answer.headers
    assert "key" not in answer.text
    assert len(answer.text.splitlines()) == 1


def test_a_static_file_with_a_hash_in_its_name_is_kept_for_ever(front: Front) -> None:
    hashed, plain = (front.ask("pages", f"/static/site{part}.css") for part in (".0123456789ab", ""))
    assert "immutable" in hashed.headers["Cache-Control"]
    assert plain.headers["Cache-Control"] == "public, max-age=300"
    assert hashed.kind == "text/css"


def test_a_boot_loader_gets_a_script_whatever_goes_wrong(front: Front, lonely: Front) -> None:
    for where, path in (
        (front, "/boot/missing"),
        (lonely, "/boot/boot.ipxe"),
        (lonely, "/boot/script?mac=1"),
    ):
        for port in ("boot", "pages"):
            answer = where.ask(port, path)
            assert (answer.status, answer.kind) == (200, "text/plain"), f"{port} {path}"
            assert answer.text.startswith("#!ipxe\n")
            assert "/boot/boot.ipxe || goto again" in answer.text


def test_no_boot_loader_is_redirected(front: Front) -> None:
    for port in ("boot", "pages"):
        answer = front.ask(port, "/boot")
        assert (answer.status, answer.kind) == (200, "text/plain"), port
        assert answer.text.startswith("#!ipxe\n")


def test_a_malformed_request_on_the_boot_port_gets_a_script_too(front: Front) -> None:
    with socket.create_connection(("127.0.0.1", front.ports["boot"]), 10) as wire:
        wire.sendall(b"GET /boot/boot.ipxe HTTP/1.1\r\n\r\n")  # no Host
        said = b""
        while data := wire.recv(65536):
            said += data
    assert b" 200 " in said.splitlines()[0]
    assert b"#!ipxe" in said


@pytest.mark.parametrize("path", ["/", "/health", "/api/v1/devices", "/api/v1/images/a/content"])
def test_while_the_site_is_away_it_says_so(lonely: Front, path: str) -> None:
    answer = lonely.ask("pages", path)
    assert (answer.status, answer.kind) == (503, "application/json")
    assert answer.json["status"] == "unhealthy"
    assert "Try again in a moment" in answer.json["detail"]


BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_while_the_site_is_away_a_browser_is_given_a_page_that_carries_on(lonely: Front, method: str) -> None:
    answer = lonely.ask("pages", "/devices/", method, Accept=BROWSER)
    assert (answer.status, answer.kind) == (503, "text/html")
    assert "This page carries on by itself" in answer.text
    assert (answer.headers["Refresh"], answer.headers["Cache-Control"]) == ("5", "no-store")


@pytest.mark.parametrize("path", ["/api/v1/devices", "/health", "/api/v1/images/a/content"])
def test_an_address_of_programs_never_is_a_page(lonely: Front, path: str) -> None:
    answer = lonely.ask("pages", path, Accept=BROWSER)
    assert (answer.status, answer.kind) == (503, "application/json")
    assert "Refresh" not in answer.headers


def test_a_check_in_while_the_boot_service_is_away_is_refused_in_json(lonely: Front) -> None:
    answer = lonely.ask("boot", "/api/v1/boot/check-in?mac=52:54:00:00:00:01")
    assert (answer.status, answer.kind) == (503, "application/json")
    assert "does not answer now" in answer.json["detail"]


def test_boot_files_are_served_while_everything_else_is_away(lonely: Front) -> None:
    assert lonely.ask("boot", "/boot/files/x/kernel8.img").text == "k" * 5000
