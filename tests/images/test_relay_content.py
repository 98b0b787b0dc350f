"""A disk's bytes at the wrong storage node: handed on to the right one, both ways, and told if it is away."""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from images import relay, services
from images.models import Image, StorageNode

MIB = 1024 * 1024
SECOND = "second"


class Second(BaseHTTPRequestHandler):
    """The other node's HTTP process: tells what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        if "refused" in self.path:
            self.close_connection = True
            return self.answer(409, {"detail": "It is in use."})
        size = 0
        left = int(self.headers.get("Content-Length", 0))
        while left and (piece := self.rfile.read(min(left, MIB))):
            left -= len(piece)
            size += len(piece)
        return self.answer(202, {"path": self.path, "headers": dict(self.headers), "size": size})

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Disposition", 'attachment; filename="disk.img"')
        self.send_header("Set-Cookie", "sessionid=stolen")
        self.send_header("Content-Length", str(3 * MIB))
        self.end_headers()
        for _ in range(3):
            self.wfile.write(b"x" * MIB)

    def answer(self, status: int, said: dict[str, Any]) -> None:
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words: object) -> None:
        """Quiet."""


@pytest.fixture
def second() -> Iterator[StorageNode]:
    """A second storage node that answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Second)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield services.register_node(
        name=SECOND, portal_address="127.0.0.1", portal_port=3261,
        content_url=f"http://127.0.0.1:{server.server_address[1]}",
    )  # fmt: skip
    server.shutdown()
    server.server_close()


@pytest.fixture
def there(make_image: Callable[..., Image], second: StorageNode) -> Image:
    """A disk of the second node."""
    image = make_image("there")
    image.node = second
    image.save()
    return image


def put(image_id: str = "there", body: bytes = b"x" * (2 * MIB + 5), query: str = "", **headers: str) -> Any:
    return Client().generic(
        "PUT", f"/api/v1/images/{image_id}/content{query}", body, content_type="application/octet-stream",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )  # fmt: skip


def read(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_an_upload_reaches_the_disks_own_node_whole(there: Image) -> None:
    answer = put(
        query="?sha256=ab%20c", Authorization="Bearer mine", Content_Range="bytes 0-2097156/2097157",
        Host="lab.example:8000", X_CSRFToken="token",
    )  # fmt: skip
    told = json.loads(read(answer))
    assert answer.status_code == 202
    assert told["path"] == "/api/v1/images/there/content?sha256=ab%20c"
    assert told["size"] == 2 * MIB + 5
    expected = {
        "Authorization": "Bearer mine", "Content-Range": "bytes 0-2097156/2097157",
        "Host": "lab.example:8000", "X-CSRFToken": "token",
        "Content-Length": str(2 * MIB + 5), "X-Netboot-Relayed": "local",
    }  # fmt: skip
    assert {name: told["headers"].get(name) for name in expected} == expected


def test_a_download_comes_back_in_pieces(there: Image) -> None:
    answer = Client().get("/api/v1/images/there/content")
    assert answer.streaming
    assert len(read(answer)) == 3 * MIB
    assert answer["Content-Length"] == str(3 * MIB)
    assert answer["Content-Disposition"] == 'attachment; filename="disk.img"'
    assert "Set-Cookie" not in answer, "the caller's session is the business of the node it talks to"


def test_a_refusal_before_the_end_of_an_upload_is_told(there: Image) -> None:
    answer = put(body=b"x" * 64 * MIB, query="?refused")
    assert answer.status_code == 409
    assert json.loads(read(answer)) == {"detail": "It is in use."}


def test_a_disk_of_this_node_goes_nowhere(make_image: Callable[..., Image], second: StorageNode) -> None:
    make_image("here")
    assert put("here").status_code == 401, "it was answered here, where nobody is signed in"


@pytest.mark.parametrize(
    "path", ["nothing/content", "there", "there/content/", "%2e%2e/content", "THERE/content"]
)
def test_only_the_bytes_of_a_disk_go_elsewhere(there: Image, path: str) -> None:
    answer = Client().get(f"/api/v1/images/{path}")
    assert not answer.streaming
    assert answer.status_code in {401, 404, 405}


def test_a_node_that_is_down_is_named(there: Image, second: StorageNode) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        StorageNode.objects.filter(name=SECOND).update(
            content_url=f"http://127.0.0.1:{nobody.getsockname()[1]}"
        )
        for answer in (put(), Client().get("/api/v1/images/there/content")):
            assert answer.status_code == 503
            assert answer.json()["detail"].startswith("The storage node second does not answer")
            assert "127.0.0.1" not in answer.content.decode()


def test_a_node_that_hangs_up_is_named(there: Image) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:
        StorageNode.objects.filter(name=SECOND).update(
            content_url=f"http://127.0.0.1:{rude.getsockname()[1]}"
        )
        threading.Thread(target=lambda: rude.accept()[0].close(), daemon=True).start()
        assert put().status_code == 503


def test_a_node_that_never_told_its_address_is_told_so(there: Image) -> None:
    StorageNode.objects.filter(name=SECOND).update(content_url="")
    answer = put()
    assert (answer.status_code, answer.json()["detail"]) == (
        503, "The storage node second has not told where it is reached; restart it.",
    )  # fmt: skip


def test_nodes_that_take_each_other_for_the_right_one_do_not_go_round_in_circles(there: Image) -> None:
    answer = put(**{relay._RELAYED: "second"})
    assert answer.status_code == 503
    assert "is another one" in answer.json()["detail"]


def test_where_a_request_goes_is_not_the_callers_to_say(there: Image) -> None:
    answer = put(Host="127.0.0.1:1", X_Forwarded_Host="127.0.0.1:1", Forwarded="host=127.0.0.1:1")
    assert json.loads(read(answer))["size"] == 2 * MIB + 5


def test_an_upload_that_the_caller_cuts_off_ends_there_too(there: Image) -> None:
    request = RequestFactory().put("/api/v1/images/there/content", headers={"Content-Length": "1000"})
    request._stream = io.BytesIO(b"short")  # type: ignore[attr-defined]
    answer = relay.ContentRelayMiddleware(lambda asked: HttpResponse())(request)
    assert answer.status_code == 400
