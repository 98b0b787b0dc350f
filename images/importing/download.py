"""Fetches a disk from a URL: from public or lab addresses only, and on from where a connection was cut."""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, urljoin, urlsplit

from django.conf import settings

from netboot_site.errors import ValidationError

LONGEST_URL = 2000
MOST_REDIRECTS = 5
MOST_TRIES = 6  # in a row without one more byte
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0
PAUSE_SECONDS = 1.0  # doubled with each try
_REDIRECTS = {301, 302, 303, 307, 308}
_PORTS = {"http": 80, "https": 443}
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
_CUT = (OSError, http.client.HTTPException)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_url(url: str) -> SplitResult:
    """A URL that may be fetched, as far as its words tell. Raises ValidationError."""
    if len(url) > LONGEST_URL or not url.isprintable() or " " in url:
        raise ValidationError(f"A URL has at most {LONGEST_URL} characters, and no blanks among them.")
    try:
        parts = urlsplit(url)
        known = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise ValidationError("A URL begins with http:// or https://, followed by a host's name or address.")
    if parts.username is not None or parts.password is not None:
        raise ValidationError("A URL with a password in it would be shown to others; leave it out.")
    return parts


def is_allowed(address: str) -> bool:
    """Whether we connect there: not to this host itself, nor to what only its own link knows."""
    if settings.IMPORT_FROM_LOOPBACK:
        return True
    ip = _innermost(ipaddress.ip_address(address.partition("%")[0]))
    return not (ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast or ip.is_reserved)


def _innermost(ip: Address) -> Address:
    """The IPv4 address that some IPv6 addresses stand for."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    teredo = ip.teredo
    return ip.ipv4_mapped or ip.sixtofour or (teredo[1] if teredo else None) or ip


def _resolve(parts: SplitResult) -> tuple[str, int]:
    """The address to connect to; the name is asked for once, so that it cannot answer otherwise later."""
    port = parts.port or _PORTS[parts.scheme]
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ValidationError(f"The host {host[:100]!r} is not known by that name.") from error
    addresses = [str(row[4][0]) for row in found]
    if not addresses or not all(is_allowed(address) for address in addresses):
        raise ValidationError(
            f"The host {host[:100]!r} is this machine or on its own link, from where nothing is imported "
            f"(IMPORT_FROM_LOOPBACK)."
        )
    return addresses[0], port


def _connect(parts: SplitResult) -> http.client.HTTPConnection:
    address, port = _resolve(parts)
    host = parts.hostname or ""
    connection = http.client.HTTPConnection(host, port, timeout=SILENCE_SECONDS)
    sock = socket.create_connection((address, port), CONNECT_SECONDS)
    sock.settimeout(SILENCE_SECONDS)
    if parts.scheme == "https":
        sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
    connection.sock = sock  # http.client connects only where there is none
    return connection


@dataclass(slots=True)
class _Answer:
    connection: http.client.HTTPConnection
    response: http.client.HTTPResponse

    def close(self) -> None:
        with suppress(OSError):
            self.connection.close()


class Download:
    """The bytes behind a URL, one after the other, whatever becomes of the connection."""

    def __init__(self, url: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._url, self._sleep = url, sleep
        self.position = 0
        self.total: int | None = None
        self._validator = ""
        self._answer: _Answer | None = None
        self._first = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def beginning(self, size: int) -> bytes:
        """Its first bytes, which will be read again."""
        while len(self._first) < size and (more := self._read(size)):
            self._first += more
        return self._first[:size]

    def read(self, size: int, /) -> bytes:
        """At most that many bytes, or what was looked at; none at the end."""
        first, self._first = self._first, b""
        return first or self._read(size)

    def _read(self, size: int) -> bytes:
        """As `read`, from the connection. Raises ValidationError where it cannot be had."""
        for attempt in range(MOST_TRIES):
            if attempt:
                self._sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
            try:
                data = self._try(size)
            except ssl.SSLCertVerificationError as error:
                raise ValidationError("The server's certificate is not to be trusted.") from error
            except _CUT:
                self._close()
                continue
            if data or self.total is None or self.position == self.total:
                self.position += len(data)
                return data
            self._close()
        raise ValidationError(
            f"The server could not be reached, or was silent, {MOST_TRIES} times in a row "
            f"after {self.position} bytes."
        )

    def _try(self, size: int) -> bytes:
        if self._answer is None:
            if self.position and self.position == self.total:
                return b""
            self._answer = self._open()
        return self._answer.response.read(size)

    def _open(self) -> _Answer:
        """Follow redirects to an answer that goes on where we are."""
        url = self._url
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._ask(check_url(url))
            status = answer.response.status
            if status not in _REDIRECTS:
                self._check(answer)
                return answer
            target = answer.response.headers.get("Location", "")
            answer.close()
            url = urljoin(url, target)
        raise ValidationError(f"The URL is redirected more than {MOST_REDIRECTS} times.")

    def _ask(self, parts: SplitResult) -> _Answer:
        connection = _connect(parts)
        headers = {"Accept-Encoding": "identity", "User-Agent": "netboot-orchestrator"}
        if self.position:
            headers["Range"] = f"bytes={self.position}-"
            if self._validator:
                headers["If-Range"] = self._validator
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("GET", target, headers=headers)
            return _Answer(connection, connection.getresponse())
        except _CUT:
            connection.close()
            raise

    def _check(self, answer: _Answer) -> None:
        """Whether these are the bytes that we want. Raises ValidationError."""
        response, begun = answer.response, bool(self.position)
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if begun and response.status == 206 and found and int(found[1]) == self.position:
            if self.total not in {None, int(found[2])}:
                raise ValidationError("The file at the URL was changed while it was fetched.")
            self.total = int(found[2])
            return
        if begun and response.status in {200, 206, 412, 416}:
            raise ValidationError(
                f"The connection was cut after {self.position} bytes, and the server cannot go on from there."
            )
        if response.status in {429, 500, 502, 503, 504}:  # may be over in a moment
            raise http.client.HTTPException(f"status {response.status}")
        if response.status != 200:
            raise ValidationError(f"The server answered {response.status} ({response.reason[:50]}).")
        length = response.headers.get("Content-Length", "")
        self.total = int(length) if re.fullmatch(r"\d{1,18}", length) else None
        etag = response.headers.get("ETag", "")
        # RFC 9110, section 13.1.5: a weak one says nothing about bytes
        self._validator = response.headers.get("Last-Modified", "") if etag.startswith("W/") else etag

    def _close(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None
