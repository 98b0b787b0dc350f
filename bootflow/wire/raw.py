"""The wire by raw sockets (packet(7)); they need CAP_NET_RAW."""

from __future__ import annotations

import contextlib
import ctypes
import secrets
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import ioctl
from ipaddress import IPv4Address

from bootflow.ports import WireServer
from bootflow.wire.frames import (
    CLIENT_PORT,
    EVERYWHERE,
    IPV4,
    NOWHERE,
    PLAIN,
    PXE_KINDS,
    SERVER_PORT,
    UEFI,
    WAKE_ON_LAN,
    WAKE_PORT,
    Kind,
    discover,
    ethernet,
    mac_bytes,
    magic,
    udp_frame,
)
from bootflow.wire.replies import Reply, parse_reply, servers_of
from netboot_site.errors import UnavailableError

# dnsmasq, which most home routers run, pings an address for up to 3 s before it offers it.
LOOK_SECONDS = 3.2
_REPLIES_MAX = 200  # a server that never stops answering is known by then
_FRAME_BYTES = 2048
_ALL_PROTOCOLS = 3  # linux/if_ether.h: ETH_P_ALL sees what we send ourselves, too
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_SIOCGIFADDR = 0x8915  # netdevice(7)
_ETHERNET = 1  # linux/if_arp.h: ARPHRD_ETHER
# Only datagrams to a DHCP client's port reach us (IPv4, UDP, no later fragment, that port): the interface may
# carry gigabytes of disks meanwhile.
_FILTER = (
    (0x28, 0, 0, 12), (0x15, 0, 8, IPV4), (0x30, 0, 0, 23), (0x15, 0, 6, socket.IPPROTO_UDP),
    (0x28, 0, 0, 20), (0x45, 4, 0, 0x1FFF), (0xB1, 0, 0, 14), (0x48, 0, 0, 16),
    (0x15, 0, 1, CLIENT_PORT), (0x06, 0, 0, _FRAME_BYTES), (0x06, 0, 0, 0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """A raw socket on an interface, and the interface's own addresses."""

    socket: socket.socket
    interface: str
    mac: bytes
    address: IPv4Address


class RawWire:
    """The real wire."""

    def __init__(self, look_seconds: float = LOOK_SECONDS) -> None:
        self.look_seconds = look_seconds

    def look(self, interface: str) -> Sequence[WireServer]:
        """Ask as an operating system and as firmware do, and listen until the time is over."""
        until = time.monotonic() + self.look_seconds
        with _card(interface, _ALL_PROTOCOLS) as card:
            asked = _ask(card)
            replies = [reply for reply in _replies(card, until) if reply.xid in asked]
        return servers_of(replies, asked)

    def wake(self, interface: str, mac: str) -> None:
        """Both forms of one magic packet: some network cards know only one."""
        payload = magic(mac_bytes(mac))
        with _card(interface, 0) as card, _told(interface):
            card.socket.send(ethernet(WAKE_ON_LAN, card.mac, payload))
            card.socket.send(udp_frame(card.mac, card.address, (WAKE_PORT, WAKE_PORT), payload))


@contextmanager
def _told(interface: str) -> Iterator[None]:
    """What the kernel refuses, as a sentence."""
    try:
        yield
    except PermissionError as error:
        raise UnavailableError(
            f"The wire of {interface} can be reached by root alone: start the orchestrator as root."
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnavailableError(f"The interface {interface} cannot be used: {reason}.") from error


@contextmanager
def _card(interface: str, protocol: int) -> Iterator[Card]:
    """Raises UnavailableError where there is no such interface, or we may not."""
    with contextlib.ExitStack() as kept:
        with _told(interface):
            raw = kept.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
            if protocol:
                _attach_filter(raw)
            raw.bind((interface, protocol))
            *_, hardware, mac = raw.getsockname()
        if hardware != _ETHERNET:
            raise UnavailableError(f"The interface {interface} is no Ethernet: no machine boots from it.")
        yield Card(raw, interface, mac, _address_of(interface))


def _attach_filter(raw: socket.socket) -> None:
    """struct sock_fprog and sock_filter: linux/filter.h."""
    program = b"".join(struct.pack("HBBI", *step) for step in _FILTER)
    kept = ctypes.create_string_buffer(program)
    raw.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_FILTER), ctypes.addressof(kept))
    )


def _address_of(interface: str) -> IPv4Address:
    """Its first IPv4 address; 0.0.0.0 if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            told = ioctl(any_socket, _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        except OSError:
            return NOWHERE
    return IPv4Address(told[20:24])


def _ask(card: Card) -> dict[int, Kind]:
    """Send every question; by its number, who asks."""
    asked = {secrets.randbits(32): kind for kind in (PLAIN, UEFI)}
    ours = {secrets.randbits(32): kind for kind in PXE_KINDS}
    with _told(card.interface):
        for xid, kind in asked.items():
            data = discover(kind, card.mac, xid)
            card.socket.send(udp_frame(card.mac, NOWHERE, (CLIENT_PORT, SERVER_PORT), data))
    _ask_ourselves(card, ours)
    return asked | ours


def _ask_ourselves(card: Card, asked: dict[int, Kind]) -> None:
    """A broadcast of the kernel's own is heard by this host's server too, which a raw frame is not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain, contextlib.suppress(OSError):
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, card.interface.encode())
        for xid, kind in asked.items():
            plain.sendto(discover(kind, card.mac, xid), (str(EVERYWHERE), SERVER_PORT))


def _replies(card: Card, until: float) -> Iterator[Reply]:
    count = 0
    while (left := until - time.monotonic()) > 0 and count < _REPLIES_MAX:
        card.socket.settimeout(left)
        with _told(card.interface):
            try:
                frame = card.socket.recv(_FRAME_BYTES)
            except TimeoutError:
                return
        count += 1
        reply = parse_reply(frame, card.mac)
        if reply is not None:
            yield reply
