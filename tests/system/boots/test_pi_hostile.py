"""What nobody's firmware sends: odd TFTP requests, and many of them, before a running orchestrator."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.boots.pc import wait_until
from tests.system.boots.pi.boards import PI_4B, PI_5, Board
from tests.system.boots.pi.place import PlayedPi
from tests.system.boots.pi.room import (
    SERVER_MODE,
    boots,
    enrol,
    make_set,
    page,
    room,
    small_files,
    wait_for_trees,
)
from tests.system.instance import Instance

pytestmark = [
    pytest.mark.real_dnsmasq,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
GOOD, ODD = Board.numbered(PI_4B, 1), Board.numbered(PI_5, 2)
DATA, ERROR, OACK = 3, 5, 6  # RFC 1350, RFC 2347
FLOOD, UNFINISHED = 3000, 200


def read_request(path: bytes, rest: bytes = b"octet\0") -> bytes:
    return b"\0\1" + path + b"\0" + rest


OUTSIDE = {
    "up and out": read_request(b"../../../../../../../../etc/passwd"),
    "out of its folder": read_request(GOOD.short_serial.encode() + b"/../../admin-password"),
    "by an absolute path": read_request(b"/etc/passwd"),
    "twice the slash": read_request(b"//etc//passwd"),
    "backslashes": read_request(rb"..\..\etc\passwd"),
    "a folder": read_request(GOOD.short_serial.encode()),
    "the store": read_request(b".store"),
    "the root": read_request(b"."),
    "500 characters": read_request(b"a" * 500),
    "500 folders": read_request(b"a/" * 250),
    "a name of format signs": read_request(b"%n%s%x${mac}\x1b[31m"),
    "no name": read_request(b""),
    "no end": b"\0\1config.txt",
    "NUL in its midst": read_request(b"config.txt\0/../../admin-password"),
    "no mode": b"\0\1config.txt\0",
    "a write": b"\0\2config.txt\0octet\0",
    "an operation that is none": b"\0\x63config.txt\0octet\0",
    "data for nothing": struct.pack("!HH", DATA, 1) + b"x" * 512,
    "one byte": b"\0",
    "not UTF-8": read_request(b"\xff\xfe\xfd"),
}
ODD_OPTIONS = {
    "no block": b"octet\0blksize\0000\0",
    "the largest block": b"octet\00065464\0blksize\00065464\0",
    "a block below nothing": b"octet\0blksize\0-1\0",
    "an option that is none": b"octet\0nothing\0at all\0",
    "one that has no value": b"octet\0tsize\0",
}


@pytest.fixture(scope="module")
def orchestra(folder: Path) -> Iterator[Instance]:
    with room(folder, SERVER_MODE) as instance:
        make_set(instance, "small", small_files())
        for board in (GOOD, ODD):
            enrol(instance, board, kernel_set="small")
        wait_for_trees(instance, (GOOD, ODD))
        yield instance


@pytest.fixture(scope="module")
def wire(orchestra: Instance) -> Iterator[socket.socket]:
    """A socket of the odd Pi's, which has an address."""
    with PlayedPi(ODD, orchestra.wire) as pi:
        pi.ask()
        made = pi.socket()
        made.settimeout(1)
        yield made
        made.close()


def answer(wire: socket.socket, request: bytes) -> bytes:
    """What comes back; b"" where nothing does."""
    drain(wire)
    wire.sendto(request, ("10.66.0.1", 69))
    try:
        return wire.recv(70_000)
    except TimeoutError:
        return b""


def drain(wire: socket.socket) -> None:
    wire.setblocking(False)
    try:
        while wire.recv(70_000):
            pass
    except BlockingIOError:
        wire.settimeout(1)


def boots_as_ever(instance: Instance) -> None:
    with PlayedPi(GOOD, instance.wire) as pi:
        got = pi.power_on()
    assert got.kernel == small_files()["kernel8.img"]
    assert sum(one.resent for one in got.transfers) == 0


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_file_comes_by(name: str, orchestra: Instance, wire: socket.socket) -> None:
    came = answer(wire, OUTSIDE[name])
    assert not came or struct.unpack_from("!H", came)[0] == ERROR, came[:60]
    assert len(came) < 700


@pytest.mark.parametrize("name", ODD_OPTIONS)
def test_an_odd_option_gets_an_answer_that_is_one(
    name: str, orchestra: Instance, wire: socket.socket
) -> None:
    came = answer(wire, b"\0\1" + ODD.short_serial.encode() + b"/config.txt\0" + ODD_OPTIONS[name])
    assert struct.unpack_from("!H", came)[0] in (DATA, OACK, ERROR), came[:60]


def test_after_all_of_them_a_pi_boots_as_ever(orchestra: Instance, wire: socket.socket) -> None:
    before = orchestra.pid("dnsmasq")
    for request in OUTSIDE.values():
        wire.sendto(request, ("10.66.0.1", 69))
    boots_as_ever(orchestra)
    assert orchestra.pid("dnsmasq") == before
    assert orchestra.health()["status"] == "healthy"


def test_what_it_asked_is_told_in_plain_text_without_our_paths(orchestra: Instance) -> None:
    wait_until("the odd Pi's boot is told", lambda: boots(orchestra, ODD), 20)
    number = boots(orchestra, ODD)[0]["id"]
    for told in (str(boots(orchestra, ODD)), page(orchestra, f"/boots/{number}/")):
        assert str(orchestra.data_path) not in told
        assert "\x1b" not in told


def test_thousands_of_requests_keep_nobody_from_booting(orchestra: Instance, wire: socket.socket) -> None:
    for number in range(FLOOD):
        wire.sendto(read_request(f"no-such-file-{number}".encode()), ("10.66.0.1", 69))
    kernel = f"{ODD.short_serial}/kernel8.img".encode()
    for _ in range(UNFINISHED):
        wire.sendto(read_request(kernel), ("10.66.0.1", 69))
    boots_as_ever(orchestra)
    wait_until("it is healthy", lambda: orchestra.health().get("status") == "healthy", 20)
