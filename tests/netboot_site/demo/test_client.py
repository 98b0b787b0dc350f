"""The demonstration's REST client, against a server that answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from netboot_site.demo.client import Client
from netboot_site.errors import ConflictError, NotFoundError, UnavailableError


class Handler(BaseHTTPRequestHandler):
    """Answers with what the test put there; keeps what was asked."""

    answers: list[tuple[int, bytes]] = []
    asked: list[tuple[str, str, str, bytes]] = []

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.command, self.path, self.headers["Authorization"], body))
        status, text = self.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  # http.server's own names

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def client() -> Iterator[Client]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Handler.answers, Handler.asked = [], []
    yield Client("127.0.0.1", server.server_port, "sesame")
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_call_carries_the_token_and_json(client: Client) -> None:
    Handler.answers = [(201, b'{"id": "nbdemo"}')]
    assert client.call("POST", "/api/v1/images", {"id": "nbdemo"}) == {"id": "nbdemo"}
    method, path, authorization, body = Handler.asked[0]
    assert (method, path, authorization) == ("POST", "/api/v1/images", "Bearer sesame")
    assert json.loads(body) == {"id": "nbdemo"}


def test_an_empty_answer_is_none(client: Client) -> None:
    Handler.answers = [(204, b"")]
    assert client.call("DELETE", "/api/v1/images/nbdemo") is None


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFoundError), (409, ConflictError), (422, UnavailableError)]
)
def test_a_refusal_is_told_with_its_reason(client: Client, status: int, error: type[Exception]) -> None:
    Handler.answers = [(status, b'{"detail": "its disk is in use"}')]
    with pytest.raises(error, match=f"DELETE /x answered {status}: its disk is in use"):
        client.call("DELETE", "/x")


def test_a_page_instead_of_json_is_told_too(client: Client) -> None:
    Handler.answers = [(500, b"<h1>Oh</h1>")]
    with pytest.raises(UnavailableError, match="answered 500: <h1>Oh"):
        client.call("GET", "/x")


def test_an_upload_sends_every_byte_and_tells_how_far_it_is(client: Client, tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(b"ab" * 1_500_000)
    Handler.answers = [(202, b"{}")]
    heard: list[tuple[int, int]] = []
    client.upload("/content", disk, lambda sent, size: heard.append((sent, size)))
    assert Handler.asked[0][3] == disk.read_bytes()
    assert heard == [(1048576, 3000000), (2097152, 3000000), (3000000, 3000000)]


def test_health_is_a_word_or_what_is_wrong(client: Client) -> None:
    Handler.answers = [(200, b'{"status": "healthy"}'), (503, b'{"detail": "tgtd is down"}')]
    assert client.health() == "healthy"
    assert "tgtd is down" in client.health()


def test_an_orchestrator_that_is_not_there_is_told_with_the_way_out() -> None:
    with pytest.raises(UnavailableError, match="start it with `make up`"):
        Client("127.0.0.1", 1, "x").call("GET", "/")  # port 1: tcpmux, served by nobody
