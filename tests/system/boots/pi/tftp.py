"""A Pi's TFTP client: lock-step, with `tsize` and `blksize`, and files that are only looked for."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from tests.system.boots.pi.boards import Model

_RRQ, _DATA, _ACK, _ERROR, _OACK = 1, 3, 4, 5, 6  # RFC 1350, RFC 2347
_NOT_FOUND = 1
_FIRST_PORT = 49152
_RESEND_SECONDS = 1.0
BLOCKS_MAX = 65535  # bootloaders before 2025-09 stop there
_EARLY = struct.pack("!HH", _ERROR, 0) + b"Early terminate\0"


class FileTimeoutError(Exception):
    """A file did not come within the time that the firmware gives it."""


@dataclass(frozen=True)
class Transfer:
    """One request, and what became of it."""

    path: str
    outcome: str  # read, probed, absent, refused
    size_bytes: int = 0
    seconds: float = 0.0
    resent: int = 0
    said: str = ""  # the server's error


@dataclass
class Client:
    """Reads files from one server, each from a port of its own."""

    server: IPv4Address
    model: Model
    transfers: list[Transfer] = field(default_factory=list)
    _requests: int = 0

    def read(self, path: str, *, plain: bool = False) -> bytes | None:
        """The whole file, None if there is none; `plain` is the ROM's request, without any option."""
        options = "" if plain else f"tsize\0000\0blksize\0{self.model.block_size}\0"
        return self._ask(path, options, probe=False)

    def probe(self, path: str) -> bool:
        """Whether it is there: asked for, and broken off at once."""
        if self.model.boot_code:
            return self._ask(path, "tsize\0000\0", probe=True) is not None
        return self._ask(path, f"tsize\0000\0blksize\0{self.model.block_size}\0", probe=True) is not None

    def _ask(self, path: str, options: str, *, probe: bool) -> bytes | None:
        began = time.monotonic()
        request = struct.pack("!H", _RRQ) + f"{path}\0octet\0{options}".encode("latin-1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            self._requests += 1
            wire.bind(("0.0.0.0", _FIRST_PORT + self._requests % 16384))
            run = _Run(wire, request, (str(self.server), 69), self.model, probe)
            data = run.data()
        outcome = run.refusal or ("probed" if probe else "read")
        size = run.announced if run.announced is not None else len(data or b"")
        self.transfers.append(Transfer(path, outcome, size, time.monotonic() - began, run.resent, run.said))
        return data


class _Run:
    """One transfer."""

    def __init__(
        self, wire: socket.socket, request: bytes, server: tuple[str, int], model: Model, probe: bool
    ) -> None:
        self.wire, self.last, self.peer, self.model, self.probe = wire, request, server, model, probe
        self.deadline = time.monotonic() + model.file_seconds
        self.resent, self.refusal, self.said = 0, "", ""
        self.announced: int | None = None
        self.block_size = 512
        self.connected = False

    def data(self) -> bytes | None:
        self.wire.sendto(self.last, self.peer)
        parts: list[bytes] = []
        while True:
            packet = self._next()
            code, number = struct.unpack_from("!HH", packet)
            if code == _ERROR:
                self._refused(number, packet[4:])
                return None
            if code == _OACK:
                self._agree(packet[2:])
                number = 0
            elif code == _DATA and number == (len(parts) + 1) & 0xFFFF:
                parts.append(packet[4:])
            elif code == _DATA:
                continue  # a block that came twice
            if self.probe and (parts or self.model.boot_code):
                return self._break_off(parts)
            self._answer(struct.pack("!HH", _ACK, number))
            if parts and len(parts[-1]) < self.block_size:
                return b"".join(parts)
            assert len(parts) <= BLOCKS_MAX, "more blocks than the firmware can count"

    def _break_off(self, parts: list[bytes]) -> bytes:
        self.wire.send(_EARLY)
        return b"".join(parts)

    def _refused(self, number: int, text: bytes) -> None:
        self.refusal = "absent" if number == _NOT_FOUND else "refused"
        self.said = text.rstrip(b"\0").decode(errors="replace")

    def _agree(self, options: bytes) -> None:
        words = options.rstrip(b"\0").decode().split("\0")
        agreed = dict(zip(words[::2], words[1::2], strict=True))
        self.block_size = int(agreed.get("blksize", 512))
        self.announced = int(agreed["tsize"]) if "tsize" in agreed else None

    def _answer(self, packet: bytes) -> None:
        self.last = packet
        self.wire.send(packet)

    def _next(self) -> bytes:
        while True:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise FileTimeoutError(f"not within {self.model.file_seconds:g} s: {self.last!r}")
            self.wire.settimeout(min(left, _RESEND_SECONDS))
            try:
                return self._receive()
            except ConnectionRefusedError:
                continue  # the firmware takes no notice of ICMP
            except TimeoutError:
                self.resent += 1
                self.wire.sendto(self.last, self.peer) if not self.connected else self.wire.send(self.last)

    def _receive(self) -> bytes:
        """The first answer comes from the port that the rest will come from."""
        if self.connected:
            return self.wire.recv(2048)
        packet, peer = self.wire.recvfrom(2048)
        if peer[0] != self.peer[0]:
            raise TimeoutError
        self.wire.connect(peer)
        self.connected = True
        return packet
