"""A small client of the REST API, as any person's program would use it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netboot_site.errors import ConflictError, NotFoundError, OrchestratorError, UnavailableError

_SECONDS = 60.0
_PIECE_BYTES = 1024 * 1024
_ERRORS: dict[int, type[OrchestratorError]] = {404: NotFoundError, 409: ConflictError}


@dataclass(frozen=True, slots=True)
class Client:
    """The orchestrator at an address, and the token that opens it."""

    host: str
    port: int
    token: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call; the answer's JSON. Raises NotFoundError, ConflictError, UnavailableError."""
        data = None if body is None else json.dumps(body).encode()
        return self._send(method, path, data, {"Content-Type": "application/json"})

    def upload(self, path: str, file: Path, progress: Callable[[int, int], None]) -> Any:
        """PUT a file's bytes; `progress` hears how many of how many are sent."""
        size = file.stat().st_size
        return self._send("PUT", path, _pieces(file, size, progress), {"Content-Length": str(size)})

    def health(self) -> str:
        """`healthy`, or what is wrong."""
        try:
            answer = self._send("GET", "/health", None, {})
        except OrchestratorError as error:
            return str(error)
        return str(answer.get("status", "unknown"))

    def _send(self, method: str, path: str, data: Any, headers: dict[str, str]) -> Any:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=_SECONDS)
        try:
            connection.request(method, path, data, {"Authorization": f"Bearer {self.token}", **headers})
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise UnavailableError(
                f"The orchestrator does not answer on port {self.port} ({error}): start it with `make up`."
            ) from error
        finally:
            connection.close()
        return _answer(f"{method} {path}", response.status, text)


def _answer(call: str, status: int, text: bytes) -> Any:
    if status < 400:
        return json.loads(text) if text else None
    try:
        detail = json.loads(text).get("detail", "")
    except (ValueError, AttributeError):
        detail = text[:200].decode(errors="replace")
    raise _ERRORS.get(status, UnavailableError)(f"{call} answered {status}: {detail}")


def _pieces(file: Path, size: int, progress: Callable[[int, int], None]) -> Iterator[bytes]:
    sent = 0
    with file.open("rb") as reader:
        while piece := reader.read(_PIECE_BYTES):
            yield piece
            sent += len(piece)
            progress(sent, size)
