"""Reaches the installation as a machine does: its script over HTTP, a loader over TFTP, a disk's portal."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bootflow.dnsmasq import BIOS_LOADER, SCRIPT_URL_PATH
from netboot_site.doctor.findings import NETWORK, Finding, Subject, log_of
from netboot_site.doctor.place import Node, Place

_SECONDS = 2.0
_SCRIPT_BYTES = 8192
HTTP = Subject(
    "reach-http", NETWORK, "Boot script over HTTP",
    "Every PC fetches its script there after its boot loader has started.",
)  # fmt: skip
TFTP = Subject("reach-tftp", NETWORK, "Boot loader over TFTP", "Firmware fetches its boot loader like this.")
_ISCSI_WHY = "Machines open their disks there."
_LOGIN, _LOGIN_ANSWER = 0x43, 0x23  # RFC 7143, 11.12 and 11.13
_NO_TARGET_NOW = 0x03  # its status class: the target has an error
CLOSED = "the connection is closed without an answer"
Probe = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Reached:
    """Why something cannot be reached; empty: it can. None: it is not to be served here."""

    http: str | None
    tftp: str | None
    portals: Mapping[str, str]  # by storage node


def read_reach(place: Place, nodes: Iterable[Node]) -> Reached:
    """Each within two seconds, with sockets bound to the boot interface."""
    portals = {node.name: _tried(lambda portal=node.portal: login(*_split(portal))) for node in nodes}  # type: ignore[misc]
    return Reached(
        http=_tried(lambda: fetch_script(place)) if place.serves_site else None,
        tftp=_tried(lambda: fetch_loader(place)) if place.serves_boot else None,
        portals=portals,
    )


def _tried(probe: Probe) -> str:
    try:
        return probe()
    except TimeoutError:
        return f"there was no answer within {_SECONDS:g} s"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()


def _bound(kind: socket.SocketKind, interface: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    made.settimeout(_SECONDS)
    # Old kernels let root alone do this; the way to our own address is the same without.
    with contextlib.suppress(OSError):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    return made


def fetch_script(place: Place) -> str:
    """What is wrong with it."""
    connection = http.client.HTTPConnection(place.address, place.boot_http_port, timeout=_SECONDS)
    with _bound(socket.SOCK_STREAM, place.interface) as connection.sock:
        connection.sock.connect((place.address, place.boot_http_port))
        connection.request("GET", SCRIPT_URL_PATH)
        answer = connection.getresponse()
        return judge_script(answer.status, answer.read(_SCRIPT_BYTES).decode(errors="replace"), place)


def judge_script(status: int, text: str, place: Place) -> str:
    """Pure."""
    if status != 200 or not text.startswith("#!ipxe"):
        return f"the answer is no boot script (status {status})"
    if "set query" not in text:
        return "the boot service does not answer nginx"
    base = f"http://{place.address}:{place.boot_http_port}/"
    return "" if base in text else f"the script does not lead to {base}"


def fetch_loader(place: Place) -> str:
    """RFC 1350: the first block is enough; the rest is declined."""
    with _bound(socket.SOCK_DGRAM, place.interface) as made:
        made.sendto(b"\0\1" + BIOS_LOADER.encode() + b"\0octet\0", (place.address, 69))
        answer, peer = made.recvfrom(1024)
        made.sendto(b"\0\5\0\0Enough\0", peer)
    if answer[:4] == b"\0\3\0\1":
        return "" if len(answer) > 4 else f"the file {BIOS_LOADER} is empty"
    return f"the server refuses: {answer[4:-1].decode(errors='replace')}"


def login(address: str, port: int) -> str:
    """The first step of an iSCSI login for discovery."""
    told = {
        "InitiatorName": "iqn.2026-02.local.netboot:doctor", "SessionType": "Discovery",
        "HeaderDigest": "None", "DataDigest": "None",
    }  # fmt: skip
    data = "".join(f"{key}={value}\0" for key, value in told.items()).encode()
    # Immediate login; from the operational stage on to the full one; a random ISID.
    head = struct.pack("!BBBBI", _LOGIN, 0x87, 0, 0, len(data)) + b"\x80\0\0\0\0\1" + bytes(2 + 4 * 8)
    with socket.create_connection((address, port), timeout=_SECONDS) as made:
        made.sendall(head + data + bytes(-len(data) % 4))
        return judge_login(_received(made, 48))


def _received(made: socket.socket, size: int) -> bytes:
    """So many bytes, or what came before the other side closed."""
    found = b""
    # A server that closes with our question unread resets the connection.
    with contextlib.suppress(ConnectionResetError):
        while len(found) < size and (piece := made.recv(size - len(found))):
            found += piece
    return found


def judge_login(answer: bytes) -> str:
    """Pure."""
    if not answer:
        return CLOSED
    if len(answer) < 48 or answer[0] & 0x3F != _LOGIN_ANSWER:
        return "what listens there is no iSCSI target server"
    if answer[36] == _NO_TARGET_NOW:
        return "the target server is not ready yet"
    return f"the login is refused with status {answer[36]:02x}{answer[37]:02x}" if answer[36] else ""


def _split(portal: str) -> tuple[str, int]:
    address, _, port = portal.rpartition(":")
    if address in ("", "None"):
        raise ValueError("the storage node has no address yet")
    return address.strip("[]"), int(port)


def judge_reach(place: Place, nodes: Iterable[Node], reached: Reached) -> list[Finding]:
    """A finding for each way. Pure."""
    found = [] if reached.http is None else [_judge_http(place, reached.http)]
    if reached.tftp is not None:
        found.append(_judge_tftp(place, reached.tftp))
    return found + [_judge_portal(place, node, reached.portals[node.name]) for node in nodes]


def _judge_http(place: Place, trouble: str) -> Finding:
    url = f"http://{place.address}:{place.boot_http_port}{SCRIPT_URL_PATH}"
    if trouble:
        command = f"curl -v --interface {place.interface} {url}"
        return HTTP.bad(f"{url} cannot be fetched: {trouble}.", command)
    return HTTP.good(f"{url} answers with a script that leads back here.")


def _judge_tftp(place: Place, trouble: str) -> Finding:
    if trouble:
        what = f"{BIOS_LOADER} cannot be fetched from {place.address}: {trouble}."
        return TFTP.bad(what, log_of("dnsmasq"))
    return TFTP.good(f"{place.address} sends {BIOS_LOADER}.")


def _judge_portal(place: Place, node: Node, trouble: str) -> Finding:
    subject = Subject(f"reach-iscsi-{node.name}", NETWORK, f"iSCSI login on {node.name}", _ISCSI_WHY)
    if not trouble:
        return subject.good("The target server takes logins.")
    if trouble == CLOSED and node.facts is not None and node.facts.get("targets") == 0:
        # tgtd closes every connection while it has no target (iscsi_tcp.c, accept_connection).
        return subject.good("The target server is there, and takes logins once there is a disk.")
    if trouble == CLOSED and node.facts is None:
        return subject.unknown(f"{trouble.capitalize()}, as is done while there is no disk.")
    if node.name == place.node:
        return subject.bad(f"A login was not taken: {trouble}.", log_of("tgtd"))
    return subject.bad(f"A login was not taken: {trouble}.", f"make storage-node  # on {node.name}")
