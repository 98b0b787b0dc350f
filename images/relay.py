"""Hands the bytes of a disk on between a caller and the storage node that has the disk.

Callers talk to whichever node they like; only the disk's own may touch its file. That one asks for the
caller's own credentials, so nothing is let through here that would not be let in there. Where a request goes
is said by the node's row alone, never by the request.
"""

from __future__ import annotations

import http.client
import re
import select
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
    UnreadablePostError,
)

from images.models import StorageNode
from netboot_site.errors import UnavailableError

_CONTENT = re.compile(r"/api/v1/images/([a-z0-9-]{1,63})/content")
PIECE_BYTES = 1024 * 1024
_CONNECT_SECONDS = 3.0
_SILENCE_SECONDS = 3600.0  # as long as nginx waits: the end of an upload is checked before it is answered
_RELAYED = "X-Netboot-Relayed"
_HANDED_ON = (
    "Host", "Authorization", "Cookie", "X-CSRFToken", "Origin", "Referer", "Accept", "Range", "If-Range",
    "Content-Type", "Content-Length", "Content-Range",
)  # fmt: skip
_HANDED_BACK = (
    "Content-Type", "Content-Length", "Content-Range", "Content-Disposition", "Accept-Ranges", "Range",
    "ETag", "WWW-Authenticate", "Allow", "X-Accel-Buffering", "X-Disk-SHA256",
)  # fmt: skip
Answer = Callable[[HttpRequest], HttpResponseBase]


class ContentRelayMiddleware:
    """Answers a request for the bytes of a disk that another storage node has with what that node answers."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Every other request goes its way; it costs one comparison."""
        match = _CONTENT.fullmatch(request.path) if request.path.endswith("/content") else None
        node = _other_node(match[1]) if match else None
        if node is None:
            return self.get_response(request)
        try:
            return relay(request, node)
        except UnavailableError as error:
            return JsonResponse({"detail": str(error)}, status=503)
        except UnreadablePostError:
            return JsonResponse({"detail": "The upload was cut off."}, status=400)


def _other_node(image_id: str) -> StorageNode | None:
    return StorageNode.objects.filter(images=image_id).exclude(name=settings.STORAGE_NODE).first()


def relay(request: HttpRequest, node: StorageNode) -> HttpResponseBase:
    """The answer of that node, whose bytes flow on as they come. Raises UnavailableError."""
    if _RELAYED in request.headers:
        raise UnavailableError(
            f"The storage node at the address of {node.name} is another one; look at its settings."
        )
    connection = _connection(node)
    try:
        connection.connect()
        connection.sock.settimeout(_SILENCE_SECONDS)
        _send(request, connection)
        answer = connection.getresponse()
    except UnreadablePostError:  # an OSError of its own: it is the caller who has gone
        connection.close()
        raise
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise UnavailableError(
            f"The storage node {node.name} does not answer; the disk's content is as it was. "
            f"Start that node, then try again."
        ) from error
    return _answered(connection, answer)


def _connection(node: StorageNode) -> http.client.HTTPConnection:
    place = urlsplit(node.content_url)
    if not place.hostname:
        raise UnavailableError(f"The storage node {node.name} has not told where it is reached; restart it.")
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    return kind(place.hostname, place.port, timeout=_CONNECT_SECONDS)


def _send(request: HttpRequest, connection: http.client.HTTPConnection) -> None:
    connection.putrequest(
        request.method or "GET", request.get_full_path(), skip_host=True, skip_accept_encoding=True
    )
    connection.putheader(_RELAYED, settings.STORAGE_NODE)
    for name in _HANDED_ON:
        if request.headers.get(name):
            connection.putheader(name, request.headers[name])
    connection.endheaders()
    try:
        _send_body(request, connection)
    except ConnectionError:
        return  # it has answered before it had all of it, and hung up: the answer tells why


def _send_body(request: HttpRequest, connection: http.client.HTTPConnection) -> None:
    told = request.headers.get("Content-Length", "")
    left = int(told) if told.isdecimal() else 0
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    while left and not poll.poll(0):  # a refusal comes early
        piece = request.read(min(PIECE_BYTES, left))
        if not piece:
            raise UnreadablePostError("The caller has gone.")
        connection.sock.sendall(piece)
        left -= len(piece)


def _answered(
    connection: http.client.HTTPConnection, answer: http.client.HTTPResponse
) -> StreamingHttpResponse:
    response = StreamingHttpResponse(_pieces(connection, answer), status=answer.status)
    del response["Content-Type"]
    for name in _HANDED_BACK:
        if (value := answer.getheader(name)) is not None:
            response[name] = value
    return response


def _pieces(connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while piece := answer.read(PIECE_BYTES):
            yield piece
    finally:
        connection.close()
