"""The installation as a machine reaches it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from netboot_site.doctor import reach
from netboot_site.doctor.findings import State
from netboot_site.doctor.reach import (
    CLOSED,
    Reached,
    fetch_script,
    judge_login,
    judge_reach,
    judge_script,
    login,
    read_reach,
)
from tests.netboot_site.doctor.places import checked, facts, node, place

SCRIPT = "#!ipxe\nset query mac=${mac}\nchain http://10.66.0.1:8080/boot/script?${query}\n"
TAKEN = bytes([0x23, 0x87]) + bytes(46)


@pytest.mark.parametrize(
    ("status", "text", "trouble"),
    [
        (200, SCRIPT, ""),
        (200, "<html>", "the answer is no boot script (status 200)"),
        (404, SCRIPT, "the answer is no boot script (status 404)"),
        (200, "#!ipxe\n:again\nsleep 3\n", "the boot service does not answer nginx"),
        (200, SCRIPT.replace("10.66.0.1", "10.9.9.9"), "the script does not lead to http://10.66.0.1:8080/"),
    ],
)
def test_a_script_is_one_that_leads_back_here(status: int, text: str, trouble: str) -> None:
    assert judge_script(status, text, place()) == trouble


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (TAKEN, ""),
        (b"", CLOSED),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what listens there is no iSCSI target server"),
        (bytes(48), "what listens there is no iSCSI target server"),
        (TAKEN[:36] + b"\x03\x01" + TAKEN[38:], "the target server is not ready yet"),
        (TAKEN[:36] + b"\x02\x01" + TAKEN[38:], "the login is refused with status 0201"),
    ],
)
def test_a_login_is_taken_or_refused(answer: bytes, trouble: str) -> None:
    assert judge_login(answer) == trouble


@contextmanager
def listening(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """A server on the loopback that answers one connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(answer(connection.recv(4096)))

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_an_iscsi_login_is_for_discovery_and_ends_with_the_answer() -> None:
    asked: list[bytes] = []

    def answer(data: bytes) -> bytes:
        asked.append(data)
        return TAKEN

    with listening(answer) as port:
        assert login("127.0.0.1", port) == ""
    assert asked[0][:2] == b"\x43\x87"
    assert len(asked[0]) % 4 == 0
    length = int.from_bytes(asked[0][5:8], "big")
    assert b"SessionType=Discovery\0" in asked[0][48 : 48 + length]


def test_a_script_is_fetched_over_a_socket_of_the_boot_interface() -> None:
    def answer(data: bytes) -> bytes:
        assert data.startswith(b"GET /boot/boot.ipxe HTTP/1.1\r\n")
        text = SCRIPT.replace("10.66.0.1:8080", f"127.0.0.1:{port}").encode()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text

    with listening(answer) as port:
        here = place(interface="lo", address="127.0.0.1", boot_http_port=port)
        assert fetch_script(here) == ""


def test_where_nobody_is_each_way_says_so_and_none_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    here = place(interface="lo", address="127.0.0.1", boot_http_port=port)
    nodes = [node(portal=f"127.0.0.1:{port}"), node("new", portal="None:3260")]
    reached = read_reach(here, nodes)
    assert reached.http == "connection refused"
    assert reached.tftp is not None
    assert reached.tftp.startswith(("there was no answer within", "connection refused"))
    assert reached.portals == {"local": "connection refused", "new": "the storage node has no address yet"}


@pytest.mark.parametrize(
    ("reached", "states", "what"),
    [
        (Reached("", "", {"local": ""}), "good good good", "The target server takes logins."),
        (Reached("", None, {"local": ""}), "good good", "The target server takes logins."),
        (Reached(None, None, {"local": ""}), "good", "The target server takes logins."),
        (
            Reached("connection refused", "the server refuses: not found", {"local": "connection refused"}),
            "bad bad bad", "A login was not taken: connection refused.",
        ),
        (Reached("", "", {"local": CLOSED}), "good good bad", f"A login was not taken: {CLOSED}."),
    ],
)  # fmt: skip
def test_each_way_has_its_finding(reached: Reached, states: str, what: str) -> None:
    findings = [checked(finding) for finding in judge_reach(place(), [node()], reached)]
    assert " ".join(finding.state for finding in findings) == states
    assert findings[-1].what == what


@pytest.mark.parametrize(
    ("told", "state"), [(facts(targets=0), State.GOOD), (facts(), State.BAD), (None, State.UNKNOWN)]
)
def test_a_target_server_without_a_disk_closes_each_connection(told: Any, state: State) -> None:
    reached = Reached("", None, {"local": CLOSED})
    assert checked(judge_reach(place(), [node(facts=told)], reached)[1]).state == state


def test_another_hosts_target_server_is_mended_there() -> None:
    found = judge_reach(place(), [node("disks-2")], Reached("", None, {"disks-2": "connection refused"}))
    assert checked(found[1]).command == "make storage-node  # on disks-2"
