"""A web server on loopback that serves one disk, and misbehaves as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Web(ThreadingHTTPServer):
    """`cuts` bodies end after half of what is left; `/away?N` redirects N times."""

    daemon_threads = True

    def __init__(self, data: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.data, self.cuts, self.etag = data, 0, '"one"'
        self.ranges, self.tells_length = True, True
        self.refusals: list[int] = []  # statuses answered first
        self.asked: list[tuple[str, str]] = []  # path and Range

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the play."""


class _Handler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        web, wanted = self.server, self.headers.get("Range", "")
        web.asked.append((self.path, wanted))
        if web.refusals:
            self.send_error(web.refusals.pop(0))
        elif self.path.startswith("/away?"):
            self._redirect(int(self.path.partition("?")[2]))
        elif self.path.startswith("/to?"):
            self._send_to(self.path.partition("?")[2])
        else:
            self._serve(wanted)

    def _redirect(self, left: int) -> None:
        self._send_to(f"/away?{left - 1}" if left else "/disk")

    def _send_to(self, target: str) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _serve(self, wanted: str) -> None:
        web, start = self.server, 0
        if wanted and web.ranges and self.headers.get("If-Range", web.etag) == web.etag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(web.data) - 1}/{len(web.data)}")
        else:
            self.send_response(200)
        if web.tells_length:
            self.send_header("Content-Length", str(len(web.data) - start))
        self.send_header("ETag", web.etag)
        self.end_headers()
        body = web.data[start:]
        if web.cuts:
            web.cuts -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """The suite's output is for the suite."""


@contextmanager
def serving(data: bytes) -> Iterator[Web]:
    web = Web(data)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.shutdown()
        web.server_close()
        thread.join()
