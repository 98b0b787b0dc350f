"""The boot endpoints as a bare WSGI application: the same answers as the views, without Django's handler.

No middleware, signal or URL resolver runs, so the database connection of a thread lasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from bootflow.firmware import ANSWERS, answer_elsewhere, peer_address, refused_method

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
_REASONS = {
    200: "200 OK",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    422: "422 Unprocessable Entity",
}


def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request."""
    method = environ["REQUEST_METHOD"]
    if method in ("GET", "HEAD"):
        address = peer_address(environ.get("HTTP_X_REAL_IP", ""), environ.get("REMOTE_ADDR", ""))
        answer = ANSWERS.get(environ.get("PATH_INFO", ""), answer_elsewhere)
        made = answer(environ.get("QUERY_STRING", ""), address)
    else:
        made = refused_method()
    body = made.body.encode()
    headers = [("Content-Type", made.content_type), ("Content-Length", str(len(body)))]
    start_response(_REASONS[made.status], headers + ([("Allow", "GET, HEAD")] if made.status == 405 else []))
    return [] if method == "HEAD" else [body]
