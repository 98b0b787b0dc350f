"""A Pi's DHCP, byte by byte: what it sends, and what it makes of the answers."""

from __future__ import annotations

import secrets
import select
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from tests.bootflow.dhcp_lab import tlv_options
from tests.system.boots.pi.boards import ARCHITECTURE, UNDI, VENDOR_CLASS, Board

DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6  # RFC 2132, 9.6
_MAGIC = bytes.fromhex("63825363")
_BROADCAST = b"\xff" * 6
_NOBODY = IPv4Address("0.0.0.0")
_ALL = IPv4Address("255.255.255.255")
_COLLECT_SECONDS = 0.4  # in which a second server's answer is still waited for


class RefusedError(Exception):
    """The ROM does not go on, and why."""


@dataclass(frozen=True)
class Reply:
    """A DHCP answer as it came."""

    raw: bytes
    source: IPv4Address
    to_everyone: bool  # as Ethernet broadcast
    options: dict[int, bytes] = field(default_factory=dict)

    @property
    def kind(self) -> int:
        return self.options.get(53, b"\0")[0]

    @property
    def address(self) -> IPv4Address:
        return IPv4Address(self.raw[16:20])

    @property
    def next_server(self) -> IPv4Address:
        return IPv4Address(self.raw[20:24])

    @property
    def server_id(self) -> IPv4Address:
        return IPv4Address(self.options[54])

    @property
    def pxe(self) -> dict[int, bytes]:
        """The sub-options of option 43 (PXE 2.1, table 2-1)."""
        return tlv_options(self.options.get(43, b""))

    @property
    def menu(self) -> bytes:
        """The text of the first entry of the boot menu: type, length, text."""
        menu = self.pxe.get(9, b"")
        return menu[3 : 3 + menu[2]] if len(menu) > 3 else b""


@dataclass(frozen=True)
class Lease:
    """Where the Pi is, and whom it asks for files."""

    address: IPv4Address
    mask_bits: int
    server: IPv4Address
    sent: tuple[bytes, ...]  # DHCP payloads
    replies: tuple[Reply, ...]
    seconds: float


def options_of(board: Board, kind: int, *, in_rom: bool, more: tuple[tuple[int, bytes], ...] = ()) -> bytes:
    """The options in the order in which the firmware sends them."""
    parameters = board.model.parameters
    if board.model.boot_code and not in_rom and 1 not in parameters:
        parameters = (*parameters, 1, 3)  # bootcode.bin asks for the mask and the router too
    listed = [
        (53, bytes([kind])), *more, (55, bytes(parameters)), (93, ARCHITECTURE), (94, UNDI),
        (97, board.machine_id(in_rom=in_rom)), (60, VENDOR_CLASS),
    ]  # fmt: skip
    return b"".join(bytes([code, len(value)]) + value for code, value in listed) + b"\xff"


def message(board: Board, xid: int, options: bytes) -> bytes:
    """BOOTP's fixed part (RFC 951): unicast answers are asked for, no seconds are counted."""
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, xid, 0, 0)
    return head + bytes(16) + board.hardware + bytes(10 + 64 + 128) + _MAGIC + options


def frame(board: Board, payload: bytes) -> bytes:
    """The whole Ethernet frame: TTL 128, no UDP checksum, as the ROM sends it."""
    length = len(payload) + 8
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length + 20, 0, 0, 128, 17, 0, _NOBODY.packed, _ALL.packed)
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    udp = struct.pack("!HHHH", 68, 67, length, 0)
    return _BROADCAST + board.hardware + b"\x08\x00" + head + udp + payload


def _checksum(head: bytes) -> int:
    total = sum(struct.unpack("!10H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~int(total) & 0xFFFF


class Exchange:
    """One run of DISCOVER to OFFER or ACK, over a packet socket of the Pi's own interface."""

    def __init__(self, board: Board, wire: socket.socket, *, in_rom: bool) -> None:
        self.board, self.wire, self.in_rom = board, wire, in_rom
        self.xid = board.model.xid or secrets.randbits(32)
        self.sent: list[bytes] = []
        self.replies: list[Reply] = []

    def run(self) -> Lease:
        """Ask as often as the firmware does. Raises RefusedError when it would give up."""
        began = time.monotonic()
        address, boot = self._chosen()
        while self.board.model.takes_a_lease and (taken := self._take(address)).kind == NAK:
            address, boot = self._chosen()  # somebody else was faster
        address = taken if self.board.model.takes_a_lease else address
        mask = IPv4Address(address.options.get(1, b"\xff\xff\xff\0"))
        return Lease(
            address.address, int(mask).bit_count(), tftp_server(boot), tuple(self.sent),
            tuple(self.replies), time.monotonic() - began,
        )  # fmt: skip

    def _chosen(self) -> tuple[Reply, Reply]:
        """The offer of an address, and the one that says how to boot."""
        offers = self._offers()
        address, boot = self._address(offers), self._boot(offers)
        assert address is not None
        assert boot is not None
        return address, boot

    def _offers(self) -> list[Reply]:
        """The offers of one try, an address and a menu among them; else it tries again."""
        found: list[Reply] = []
        for _ in range(self.board.model.tries):
            self._send(DISCOVER)
            found = list(self._received(OFFER, time.monotonic() + self.board.model.try_seconds))
            if self._address(found) and self._boot(found):
                return found
        if not self._address(found):
            raise RefusedError("Nobody offers an address.")
        seen = [reply.menu for reply in found if reply.menu]
        raise RefusedError(f"No offer has {self.board.model.menu!r} in option 43's menu; seen: {seen}")

    @staticmethod
    def _address(offers: list[Reply]) -> Reply | None:
        return next((reply for reply in offers if reply.address != _NOBODY), None)

    def _boot(self, offers: list[Reply]) -> Reply | None:
        return next((reply for reply in offers if reply.menu.startswith(self.board.model.menu)), None)

    def _take(self, offer: Reply) -> Reply:
        chosen = ((50, offer.address.packed), (54, offer.server_id.packed))
        for _ in range(self.board.model.tries):
            self._send(REQUEST, chosen)
            for reply in self._received(ACK, time.monotonic() + self.board.model.try_seconds):
                return reply
        raise RefusedError("The DHCP server does not acknowledge what it offered.")

    def _send(self, kind: int, more: tuple[tuple[int, bytes], ...] = ()) -> None:
        payload = message(self.board, self.xid, options_of(self.board, kind, in_rom=self.in_rom, more=more))
        self.sent.append(payload)
        self.wire.send(frame(self.board, payload))

    def _received(self, kind: int, until: float) -> Iterator[Reply]:
        """Answers to this Pi; once both parts of what it needs are there, it waits only a little for more."""
        found: list[Reply] = []
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.wire], [], [], left)[0]:
                return
            reply = parse(self.wire.recv(4096), self.board, self.xid)
            if reply is None or reply.kind not in ((OFFER,) if kind == OFFER else (ACK, NAK)):
                continue
            found.append(reply)
            self.replies.append(reply)
            yield reply
            if kind != OFFER or (reply.menu and reply.address != _NOBODY):
                return
            if any(one.address != _NOBODY for one in found) and any(one.menu for one in found):
                until = min(until, time.monotonic() + _COLLECT_SECONDS)


def parse(packet: bytes, board: Board, xid: int) -> Reply | None:
    """The DHCP answer in a frame, if it is one to this board and this exchange."""
    if packet[12:14] != b"\x08\x00" or packet[23] != 17 or packet[0:6] not in (board.hardware, _BROADCAST):
        return None
    start = 14 + (packet[14] & 15) * 4
    if packet[start + 2 : start + 4] != b"\0\x44":  # to port 68
        return None
    (length,) = struct.unpack("!H", packet[start + 4 : start + 6])
    raw = packet[start + 8 : start + length]
    if raw[:1] != b"\2" or raw[4:8] != xid.to_bytes(4, "big") or raw[28:34] != board.hardware:
        return None
    assert raw[236:240] == _MAGIC, "an answer without DHCP's magic cookie"
    broadcast = packet[0:6] == _BROADCAST
    return Reply(raw, IPv4Address(packet[26:30]), broadcast, tlv_options(raw[240:]))


def tftp_server(boot: Reply) -> IPv4Address:
    """Option 66, else next-server, else who sent the menu."""
    named = boot.options.get(66, b"").rstrip(b"\0").decode()
    if named:
        return IPv4Address(named)
    return boot.next_server if boot.next_server != _NOBODY else boot.server_id
