"""Answers of DHCP and PXE servers, read strictly: whoever is on the wire may send anything. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from bootflow.ports import BootAnswer, WireServer
from bootflow.wire.frames import CLIENT_PORT, IPV4, MAGIC_COOKIE, UDP, Kind, mac_text

_OFFER = 2
_OVERLOAD, _MESSAGE_TYPE, _SERVER, _VENDOR_CLASS, _SERVER_NAME, _FILE_NAME = 52, 53, 54, 60, 66, 67
_END, _PAD = 255, 0
_BOOTP_LENGTH = 236
_TEXT_LENGTH = 128
Options = Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer to one of our questions."""

    xid: int
    server: IPv4Address
    mac: str
    address: IPv4Address | None
    is_pxe: bool
    boot_file: str
    next_server: str


def parse_reply(frame: bytes, client: bytes) -> Reply | None:
    """The answer that a frame holds for the machine with this MAC address; None for anything else."""
    parts = _udp_payload(frame)
    if parts is None:
        return None
    sender, data = parts
    options = _options_of(data, client)
    if options is None or options.get(_MESSAGE_TYPE, bytes([_OFFER])) != bytes([_OFFER]):
        return None
    server = _server(options, sender)
    if server is None:
        return None
    (xid,) = struct.unpack_from("!I", data, 4)
    given, following = _address(data[16:20]), _address(data[20:24])
    name = _text(options.get(_SERVER_NAME, b""))
    boot_file = _boot_file(data, options)
    is_pxe = bool(boot_file) or options.get(_VENDOR_CLASS, b"").startswith((b"PXEClient", b"HTTPClient"))
    next_server = name or (str(following) if following else "")
    return Reply(xid, server, mac_text(frame[6:12]), given, is_pxe, boot_file, next_server)


def _udp_payload(frame: bytes) -> tuple[IPv4Address, bytes] | None:
    """The sender's address and the datagram to a DHCP client's port, of an IPv4 packet that is whole."""
    if len(frame) < 42 or struct.unpack_from("!H", frame, 12) != (IPV4,):
        return None
    packet = frame[14:]
    length, (total,) = (packet[0] & 15) * 4, struct.unpack_from("!H", packet, 2)
    (fragment,) = struct.unpack_from("!H", packet, 6)
    is_whole = packet[0] >> 4 == 4 and length >= 20 and not fragment & 0x3FFF and packet[9] == UDP
    if not is_whole or not length + 8 <= total <= len(packet):
        return None
    _, port, size, _ = struct.unpack_from("!HHHH", packet, length)
    if port != CLIENT_PORT or not 8 <= size <= total - length:
        return None
    return IPv4Address(packet[12:16]), packet[length + 8 : length + size]


def _options_of(data: bytes, client: bytes) -> Options | None:
    """The options of an answer to this client; None if it is none, or is broken."""
    if len(data) < _BOOTP_LENGTH + 4 or data[:3] != b"\x02\x01\x06" or data[28:34] != client:
        return None
    if data[_BOOTP_LENGTH : _BOOTP_LENGTH + 4] != MAGIC_COOKIE:
        return None
    return _read_options(data[_BOOTP_LENGTH + 4 :])


def _read_options(data: bytes) -> Options | None:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != _END:
        if data[at] == _PAD:
            at += 1
            continue
        if at + 1 >= len(data) or at + 2 + data[at + 1] > len(data):
            return None
        end = at + 2 + data[at + 1]
        found[data[at]] = found.get(data[at], b"") + data[at + 2 : end]
        at = end
    return found


def _server(options: Options, sender: IPv4Address) -> IPv4Address | None:
    """Who answered: what it calls itself, since a relay may stand between."""
    told = options.get(_SERVER, b"")
    address = _address(told) if len(told) == 4 else None
    return address or (None if _is_none(sender) else sender)


def _address(data: bytes) -> IPv4Address | None:
    address = IPv4Address(data)
    return None if _is_none(address) else address


def _is_none(address: IPv4Address) -> bool:
    return address.is_unspecified or address.is_multicast or address.is_loopback or int(address) == 0xFFFFFFFF


def _boot_file(data: bytes, options: Options) -> str:
    """Option 67, or the header's field where that is not lent to options."""
    lent = options.get(_OVERLOAD, b"\0")[:1] in (b"\x01", b"\x03")
    field = b"" if lent else data[108:236]
    return _text(options.get(_FILE_NAME) or field)


def _text(data: bytes) -> str:
    """Up to its NUL, with printable ASCII alone."""
    text = data.partition(b"\0")[0][:_TEXT_LENGTH].decode("ascii", errors="replace")
    return "".join(sign if " " <= sign <= "~" else "?" for sign in text)


def servers_of(replies: Iterable[Reply], asked: Mapping[int, Kind]) -> list[WireServer]:
    """Who answered, by address, each with what it told which kind of machine."""
    found: dict[IPv4Address, list[Reply]] = {}
    for reply in replies:
        if reply.xid in asked:
            found.setdefault(reply.server, []).append(reply)
    return [_summed(server, found[server], asked) for server in sorted(found)]


def _summed(server: IPv4Address, replies: list[Reply], asked: Mapping[int, Kind]) -> WireServer:
    answers = {
        asked[reply.xid].name: BootAnswer(asked[reply.xid].name, reply.boot_file, reply.next_server)
        for reply in replies
        if reply.is_pxe and asked[reply.xid].architecture is not None
    }
    return WireServer(
        address=str(server),
        mac=replies[0].mac,
        hands_out_addresses=any(reply.address is not None for reply in replies),
        answers=tuple(answers[name] for name in sorted(answers)),
    )
