"""Who holds our ports."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

import pytest

from netboot_site.doctor import sockets
from netboot_site.doctor.ports import WantedPort, judge_ports, wanted_ports
from netboot_site.doctor.sockets import Holder, Listening, Running, parse_sockets, read_listening, unit_of
from tests.netboot_site.doctor.places import only, place

HTTP = WantedPort(8080, False, "nginx", "10.66.0.1", "boot files", "Machines fetch files there.")
OURS = Holder(False, "0.0.0.0", 8080, "root", "nginx", 7, is_ours=True)
OTHER = Holder(False, "0.0.0.0", 8080, "root", "apache2", 812, is_ours=False)
LOG = 'tail -n 30 "${DATA_PATH:-var}/logs/nginx.log"'
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   990        0 4711 1 x
   1: 0100420A:0CBC 0200420A:D431 01 00000000:00000000 00:00000000 00000000   991        0 4712 1 x
"""
TCP6 = """\
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4713
"""


@pytest.mark.parametrize(
    ("holders", "running", "state", "what", "command"),
    [
        ([OURS], "nginx", "good", "nginx listens at every address.", ""),
        ([replace(OURS, address="10.66.0.1")], "nginx", "good", "nginx listens at 10.66.0.1.", ""),
        (
            [OURS, OTHER], "nginx", "good",
            "nginx listens at every address. apache2 (process 812) holds it too, for another interface.", "",
        ),
        (
            [], "nginx", "bad",
            "Nobody listens on TCP port 8080 (boot files): our nginx runs, and has not opened it.", LOG,
        ),
        ([], "tgtd", "bad", "Nobody listens on TCP port 8080 (boot files): our nginx does not run.", LOG),
        ([], "", "bad", "Nobody listens on TCP port 8080 (boot files): our nginx does not run.", "make up"),
        (
            [OTHER], "", "bad",
            "TCP port 8080 (boot files) is held by apache2 (process 812), and not by our nginx.",
            "sudo kill 812",
        ),
        (
            [replace(OTHER, unit="apache2.service")], "", "bad",
            "TCP port 8080 (boot files) is held by apache2 (process 812), and not by our nginx.",
            "sudo systemctl disable --now apache2.service",
        ),
        (
            [Holder(False, "0.0.0.0", 8080, "www-data")], "", "unknown",
            "TCP port 8080 (boot files) is held by a program of the user www-data; whether that is our nginx "
            "only root can see.",
            "sudo .venv/bin/python manage.py doctor",
        ),
        (
            [replace(OURS, address="127.0.0.1")], "nginx", "bad",
            "TCP port 8080 (boot files) is open at 127.0.0.1 only, which this host alone reaches; it is to "
            "be open at 10.66.0.1.",
            "BOOT_ADDRESS=10.66.0.1 make up",
        ),
        (
            [replace(OURS, address="10.9.9.9")], "nginx", "bad",
            "TCP port 8080 (boot files) is open at 10.9.9.9 only, which machines do not reach; it is to be "
            "open at 10.66.0.1.",
            "BOOT_ADDRESS=10.66.0.1 make up",
        ),
    ],
)  # fmt: skip
def test_a_port_is_ours_anothers_nobodys_or_open_in_the_wrong_place(
    holders: list[Holder], running: str, state: str, what: str, command: str
) -> None:
    other_port = replace(OTHER, is_udp=True)
    seen = Listening((other_port, *holders), frozenset(filter(None, [running])))
    finding = only(judge_ports([HTTP], seen))
    assert (finding.state, finding.what, finding.command) == (state, what, command)


@pytest.mark.parametrize(
    ("changes", "further", "udp"),
    [
        ({}, False, {67, 69, 4011}),
        ({"dhcp_mode": "server"}, False, {67, 69}),
        ({"dhcp_mode": "off"}, False, set()),
        ({"dhcp_mode": "off"}, True, {67, 69}),
        ({"expected": frozenset({"tgtd"})}, False, set()),
    ],
)
def test_only_the_ports_of_what_is_served_are_wanted(
    changes: dict[str, object], further: bool, udp: set[int]
) -> None:
    wanted = wanted_ports(place(**changes), has_further_networks=further)
    assert {port.number for port in wanted if port.is_udp} == udp
    assert {port.number for port in wanted if not port.is_udp} == {8000, 30000, 8080, 3260}
    assert len({port.subject.key for port in wanted}) == len(wanted)


def test_what_the_kernel_lists_is_read_and_connections_are_left_out() -> None:
    assert list(parse_sockets(TCP, is_udp=False)) == [("127.0.0.1", 8080, 990, "4711")]
    assert list(parse_sockets(TCP6, is_udp=False)) == [("::", 8080, 0, "4713")]


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/isc-dhcp-server.service", "isc-dhcp-server.service"),
        ("0::/system.slice/system-getty.slice/getty@tty1.service/x", "getty@tty1.service"),
        ("0::/user.slice/user-1000.slice/session-2.scope", ""),
        ("0::/", ""),
    ],
)
def test_the_service_of_a_process_is_told_by_its_cgroup(cgroup: str, unit: str) -> None:
    assert unit_of(cgroup) == unit


def test_a_real_socket_is_found_with_its_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        seen = read_listening({(False, port): "python"})
    (holder,) = seen.holders
    assert (holder.address, holder.pid, holder.is_ours) == ("127.0.0.1", os.getpid(), False)
    assert holder.words.endswith(f"(process {os.getpid()})")


@pytest.mark.parametrize(
    ("program", "uid", "is_ours"), [("nginx", os.geteuid(), True), ("nginx", 7777, None), ("tgtd", 0, None)]
)
def test_a_socket_that_only_root_may_look_into_is_ours_if_our_program_runs_as_its_user(
    monkeypatch: pytest.MonkeyPatch, program: str, uid: int, is_ours: bool | None
) -> None:
    monkeypatch.setattr(sockets, "_owners", lambda _: {})
    monkeypatch.setattr(sockets, "read_our_processes", lambda: [Running(7, program, uid)])
    with socket.create_server(("127.0.0.1", 0)) as server:
        seen = read_listening({(False, server.getsockname()[1]): "nginx"})
    assert seen.holders[0].is_ours is is_ours


def test_no_process_of_another_installation_is_taken_for_ours() -> None:
    assert sockets.read_our_processes() == []
    assert sockets.read_our_variables() == {}
