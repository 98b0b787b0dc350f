"""Logs that grow, the end of a log for a person, and waiting for servers."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from netboot_site.errors import UnavailableError
from netboot_site.runtime import logs, probe, supervision
from netboot_site.runtime.layout import Account, Accounts
from netboot_site.runtime.programs import SERVICES, Program

PERSON = Account("jo", 1000, 1000)


@pytest.fixture
def signals(instance: Accounts, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    told: list[tuple[str, str, str]] = []
    monkeypatch.setattr(supervision, "send_signal", lambda *words: told.append(words))
    monkeypatch.setattr(logs, "ROTATE_AT_BYTES", 10)
    return told


def test_only_a_log_that_has_grown_is_put_aside_and_nginx_opens_it_anew(
    settings: Any, signals: list[tuple[str, str, str]]
) -> None:
    grown, small = settings.LOGS_PATH / "boot-files.log", settings.LOGS_PATH / "access.log"
    grown.write_text("x" * 11)
    small.write_text("x" * 10)
    grown.with_name("boot-files.log.1").write_text("the one before")
    logs.rotate_nginx_logs()
    assert grown.with_name("boot-files.log.1").read_text() == "x" * 11
    assert not grown.exists()
    assert small.exists()
    assert signals == [("nginx", "front", "USR1")]


def test_while_nothing_has_grown_nginx_is_left_alone(settings: Any, signals: list[Any]) -> None:
    logs.rotate_nginx_logs()
    (settings.LOGS_PATH / "access.log").write_text("x")
    (settings.LOGS_PATH / "web.log").write_text("x" * 99)  # supervisor's own
    logs.rotate_nginx_logs()
    assert signals == []
    assert (settings.LOGS_PATH / "web.log").exists()


def test_an_nginx_that_is_just_being_restarted_is_no_failure(
    settings: Any, signals: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    (settings.LOGS_PATH / "access.log").write_bytes(b"x" * (logs.ROTATE_AT_BYTES + 1))
    monkeypatch.setattr(supervision, "_FOLDER", settings.RUN_PATH / "supervisor")
    logs.rotate_nginx_logs()
    assert not (settings.LOGS_PATH / "access.log").exists()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one\ntwo\n\n  \n", "two"),
        ("  only  ", "only"),
        ("", "it gave no reason"),
        ("\n \n", "it gave no reason"),
    ],
)
def test_the_last_words_are_the_last_line_that_says_something(text: str, line: str) -> None:
    assert logs.last_line(text) == line


def test_the_end_of_a_log_is_read_whatever_bytes_it_holds(instance: Accounts, settings: Any) -> None:
    (settings.LOGS_PATH / "web.log").write_bytes(b"first\n" + b"\xff\n" * 3 + b"last\n")
    assert logs.tail("web", 2) == ["\N{REPLACEMENT CHARACTER}", "last"]
    assert logs.tail("never-started") == []


def program(name: str) -> Program:
    return Program(name, SERVICES, PERSON, [name])


def test_it_waits_until_each_socket_accepts(instance: Accounts, settings: Any) -> None:
    path, listening = settings.RUN_PATH / "web" / "web.sock", threading.Event()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))  # the file alone is no sign that somebody listens
    assert not probe.accepts(path)

    def listen() -> None:
        listening.set()
        server.listen()

    timer = threading.Timer(0.3, listen)
    timer.start()
    with server:
        probe.wait_for_sockets([program("web"), program("beat")])
        assert listening.is_set(), "it did not wait"


def test_a_program_that_does_not_listen_is_named_with_the_end_of_its_log(
    instance: Accounts, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "_LISTENING_WITHIN_SECONDS", 0.2)
    (settings.LOGS_PATH / "boot.log").write_text("ImportError: nothing of that name\n")
    with pytest.raises(UnavailableError) as caught:
        probe.wait_for_sockets([program("boot")])
    first, second = str(caught.value).splitlines()
    assert first == f"boot did not start. The end of {settings.LOGS_PATH}/boot.log:"
    assert second == "    ImportError: nothing of that name"


class Health(BaseHTTPRequestHandler):
    """Answers /health with what the test has prepared."""

    answers: list[bytes] = []

    def do_GET(self) -> None:
        text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.send_response(200 if b'"healthy"}' in text else 503)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words: object) -> None:
        """Quiet."""


@pytest.fixture
def health(instance: Accounts, settings: Any) -> Iterator[list[bytes]]:
    server = HTTPServer(("127.0.0.1", 0), Health)
    settings.API_HOST, settings.API_PORT = "0.0.0.0", server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    Health.answers = []
    yield Health.answers
    server.shutdown()
    server.server_close()


class Supervisor:
    def __init__(self, code: int | None = None) -> None:
        self.code = code

    def poll(self) -> int | None:
        return self.code


GOOD = b'{"status": "healthy"}'


def test_it_returns_when_everything_is_at_work(health: list[bytes]) -> None:
    health.extend([b"<html>", b'{"status": "unhealthy"}', GOOD])
    probe.wait_until_healthy(Supervisor(), print)
    assert health == [GOOD]


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (json.dumps({"services": {"tgtd": "not seen yet", "redis": "healthy"}}).encode(), "tgtd"),
        (b'{"status": "unhealthy", "detail": "away"}', "web"),
        (b"[]", "nginx"),
        (b"<html>no json</html>", "nginx"),
    ],
)
def test_what_does_not_come_is_named(
    health: list[bytes], monkeypatch: pytest.MonkeyPatch, answer: bytes, named: str
) -> None:
    health.append(answer)
    with pytest.raises(UnavailableError, match=f"^{named} did not start"):
        probe.wait_until_healthy(Supervisor(1), print)


def test_a_long_wait_says_once_what_for(health: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    health.extend([json.dumps({"services": {"tgtd": "not seen yet"}}).encode()] * 4 + [GOOD])
    seconds = iter([0.0, 4.0, 5.0, 6.0, 7.0])
    monkeypatch.setattr(
        probe, "time", type("Clock", (), {"monotonic": lambda: next(seconds), "sleep": lambda _: None})
    )
    said: list[str] = []
    probe.wait_until_healthy(Supervisor(), said.append)
    assert said == ["waiting for tgtd ..."]


def test_nobody_there_is_no_answer(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        settings.API_HOST, settings.API_PORT = "127.0.0.1", held.getsockname()[1]
    begun = time.monotonic()
    assert probe.ask_health() == {}
    assert time.monotonic() - begun < 5
