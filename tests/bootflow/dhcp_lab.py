"""A wire in two network namespaces: our dnsmasq at one end, byte-level clients at the other."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

CLONE_NEWNET = 0x40000000  # sched.h
LIBC = ctypes.CDLL(None, use_errno=True)
SERVER = "10.66.0.1"
CLIENT = "10.66.0.50"
BROADCAST = "ff:ff:ff:ff:ff:ff"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=20)


T = TypeVar("T")


def inside(namespace: str, work: Callable[[], T]) -> T:
    """Do something inside a network namespace; a socket that is opened there stays there."""
    made: list[T] = []

    def run() -> None:
        with Path("/run/netns", namespace).open() as place:
            if LIBC.setns(place.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        made.append(work())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return made[0]


def packet_socket(interface: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    made.bind((interface, 3))
    return made


def fetch(namespace: str, name: str, *, blocks: int = 10**6) -> bytes:
    """Read a file by TFTP (RFC 1350), b"" if there is none; break off after so many blocks, as a Pi does."""
    wire = inside(namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    wire.settimeout(3)
    wire.sendto(b"\0\1" + name.encode() + b"\0octet\0", (SERVER, 69))
    data = b""
    with wire:
        while True:
            packet, peer = wire.recvfrom(2048)
            if packet[1] == 5:
                return b""
            data += packet[4:]
            blocks -= 1
            if blocks == 0:
                wire.sendto(b"\0\5\0\0Early terminate\0", peer)
                return data
            wire.sendto(b"\0\4" + packet[2:4], peer)
            if len(packet) < 516:
                return data


@dataclass
class Answer:
    """What a DHCP answer says."""

    file: str
    siaddr: str
    yiaddr: str
    options: dict[int, bytes]
    raw: bytes = field(repr=False)

    @property
    def vendor_class(self) -> bytes:
        return self.options.get(60, b"")

    @property
    def boot_name(self) -> str:
        return self.file or self.options.get(67, b"").rstrip(b"\0").decode()


def tlv_options(data: bytes) -> dict[int, bytes]:
    """DHCP options as they stand on the wire (RFC 2132, section 2)."""
    options: dict[int, bytes] = {}
    at = 0
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        length = data[at + 1]
        options[data[at]] = options.get(data[at], b"") + data[at + 2 : at + 2 + length]
        at += 2 + length
    return options


@dataclass(frozen=True)
class Client:
    """One machine's firmware: what it says of itself."""

    mac: str = "52:54:00:00:00:01"
    vendor_class: str = ""
    architecture: int | None = None
    user_class: bytes = b""
    machine_id: bytes = b""
    features: bytes = b""  # option 175
    wants: bytes = bytes([1, 3, 43, 54, 60, 66, 67, 128, 129, 175])  # option 55

    def options(self, message_type: int) -> list[object]:
        found: list[object] = [("message-type", message_type)]
        if self.vendor_class:
            found.append((60, self.vendor_class.encode()))
        if self.architecture is not None:
            found += [(93, self.architecture.to_bytes(2, "big")), (94, b"\x01\x02\x01")]
        if self.user_class:
            found.append((77, self.user_class))
        if self.machine_id:
            found.append((97, self.machine_id))
        if self.features:
            found.append((175, self.features))
        return [*found, (55, self.wants)]


class Wire:
    """Asks dnsmasq as a client would."""

    def __init__(self, namespace: str, interface: str) -> None:
        self.socket = inside(namespace, lambda: packet_socket(interface))

    def send(self, client: Client, message_type: int, *, port: int = 67, to: str = "255.255.255.255",
             ciaddr: str = "0.0.0.0", extra: tuple[object, ...] = ()) -> int:  # fmt: skip
        xid = uuid.uuid4().int & 0xFFFFFFFF
        hardware = bytes.fromhex(client.mac.replace(":", ""))
        packet = (
            Ether(src=client.mac, dst=BROADCAST)
            / IP(src=ciaddr, dst=to)
            / UDP(sport=68 if port == 67 else 4011, dport=port)
            / BOOTP(chaddr=hardware, xid=xid, ciaddr=ciaddr, flags=0x8000)
            / DHCP(options=[*client.options(message_type), *extra, "end"])
        )
        self._forget()
        self.socket.send(bytes(packet))
        return xid

    def _forget(self) -> None:
        """Frames of earlier transfers fill the socket's buffer, and an answer would not fit in."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.recv(65536)

    def receive(self, xid: int, seconds: float = 2.5) -> Answer | None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                frame = Ether(self.socket.recv(4096))
            except TimeoutError:
                return None
            payload = bytes(frame[UDP].payload) if UDP in frame else b""
            if payload[:1] == b"\2" and payload[4:8] == xid.to_bytes(4, "big"):
                return self._answer(payload)
        return None

    @staticmethod
    def _answer(raw: bytes) -> Answer:
        header = BOOTP(raw[:240])
        return Answer(
            header.file.rstrip(b"\0").decode(), header.siaddr, header.yiaddr, tlv_options(raw[240:]), raw
        )

    def discover(self, client: Client, seconds: float = 2.5) -> Answer | None:
        return self.receive(self.send(client, 1), seconds)

    def offers(self, client: Client, seconds: float = 2.5) -> list[Answer]:
        """Those of every server on the wire."""
        xid, until, found = self.send(client, 1), time.monotonic() + seconds, []
        while (left := until - time.monotonic()) > 0:
            if (answer := self.receive(xid, left)) is not None:
                found.append(answer)
        return found

    def request(self, client: Client, address: str) -> Answer | None:
        extra = ((50, socket.inet_aton(address)), (54, socket.inet_aton(SERVER)))
        return self.receive(self.send(client, 3, extra=extra))

    def boot_server(self, client: Client, item: bytes = b"") -> Answer | None:
        """The exchange with port 4011 that UEFI and PXE clients of a proxy hold; `item` is option 43's."""
        extra = ((43, item),) if item else ()
        return self.receive(self.send(client, 3, port=4011, to=SERVER, ciaddr=CLIENT, extra=extra))

    def close(self) -> None:
        self.socket.close()


@dataclass
class Lab:
    """The two ends; every name is this process's own."""

    server: str
    client: str
    wire: Wire

    def words(self, *words: str) -> list[str]:
        """A command line that runs at the server's end as the service's user, as supervisor starts it."""
        caps = "+net_admin,+net_raw,+net_bind_service"
        user = ["setpriv", "--reuid=netboot", "--regid=netboot", "--clear-groups"]
        rights = [f"--inh-caps={caps}", f"--ambient-caps={caps}", f"--bounding-set=-all,{caps}"]
        return ["nsenter", f"--net=/run/netns/{self.server}", *user, *rights, *words]


@contextlib.contextmanager
def lab(server: str = "", link: str = "nbserver") -> Iterator[Lab]:
    """The wire: 10.66.0.1 on `link` in the server's namespace (made, if not named), 10.66.0.50 in ours."""
    tail = f"{os.getpid()}-{uuid.uuid4().hex[:4]}"
    client, made = f"nb-rec-c{tail}", [] if server else [f"nb-rec-s{tail}"]
    server = server or made[0]
    made.append(client)
    for name in made:
        ip("netns", "add", name)
    try:
        ip("-n", server, "link", "add", link, "type", "veth", "peer", "name", "nbclient", "netns", client)
        for name, end, address in ((server, link, SERVER), (client, "nbclient", CLIENT)):
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "address", "add", f"{address}/24", "dev", end)
            ip("-n", name, "link", "set", end, "up")
        yield Lab(server, client, Wire(client, "nbclient"))
    finally:
        ip("-n", client, "link", "delete", "nbclient")
        for name in made:
            ip("netns", "delete", name)


def real_dnsmasq_is_here() -> bool:
    return os.geteuid() == 0 and shutil.which("dnsmasq") is not None and shutil.which("ip") is not None
