"""The flight recorder in a running orchestrator: machines played byte by byte."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bootflow.dhcp_lab import Client, fetch, inside, ip
from tests.bootflow.dhcp_lab import Wire as Cable
from tests.bootflow.test_dnsmasq_answers import CLIENTS, pi_id, pxe
from tests.system.instance import Instance, Wire

pytestmark = [pytest.mark.real_dnsmasq, pytest.mark.slow]
CLIENT_NAMESPACE = f"nb-rec-m{os.getpid()}"


@pytest.fixture(scope="module")
def cable(wire: Wire) -> Iterator[Cable]:
    """The machines' end of the wire."""
    ip("netns", "add", CLIENT_NAMESPACE)
    ip(
        "-n",
        wire.namespace,
        "link",
        "add",
        "nbrec0",
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        CLIENT_NAMESPACE,
    )
    ip("-n", wire.namespace, "link", "set", "nbrec0", "master", wire.bridge, "up")
    ip("-n", CLIENT_NAMESPACE, "link", "set", "eth0", "up")
    yield Cable(CLIENT_NAMESPACE, "eth0")
    ip("netns", "delete", CLIENT_NAMESPACE)


@pytest.fixture(scope="module")
def server(wire: Wire) -> Iterator[Instance]:
    folder = Path(tempfile.mkdtemp(prefix="nb-rec-"))
    with Instance(
        wire, folder / "data", {"DHCP_MODE": "server", "DHCP_RANGE": "10.66.0.100,10.66.0.200"}
    ) as one:
        yield one
    shutil.rmtree(folder, ignore_errors=True)


def eventually(ask: Callable[[], Any], seconds: float = 15.0) -> Any:
    until = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < until, "it did not come in time"
        time.sleep(0.2)
    return found


def boots(server: Instance, mac: str) -> list[dict[str, Any]]:
    found = server.api("GET", "/api/v1/boots?limit=50").json
    return [boot for boot in found if boot["mac"] == mac]


def takes_address(cable: Cable, client: Client) -> str:
    offer = cable.discover(client)
    assert offer is not None, "no offer"
    assert cable.request(client, offer.yiaddr) is not None
    ip("-n", CLIENT_NAMESPACE, "address", "flush", "dev", "eth0")
    ip("-n", CLIENT_NAMESPACE, "address", "replace", f"{offer.yiaddr}/24", "dev", "eth0")
    return offer.yiaddr


def gets(path: str, address: str, port: int = 8080) -> bytes:
    def connect() -> socket.socket:
        wire = socket.socket()
        wire.bind((address, 0))
        wire.settimeout(5)
        wire.connect(("10.66.0.1", port))
        return wire

    with inside(CLIENT_NAMESPACE, connect) as wire:
        wire.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        data = b""
        while more := wire.recv(65536):
            data += more
    return data


def program(server: Instance) -> int:
    """The dnsmasq of this orchestrator."""
    return int((server.data_path / "dnsmasq" / "dnsmasq.pid").read_text())


def test_a_pc_that_boots_by_tftp_is_one_boot_with_its_stages(cable: Cable, server: Instance) -> None:
    pc = Client("52:54:00:00:aa:01", pxe(0), 0)
    ipxe = Client(pc.mac, pxe(0), 0, b"iPXE", features=CLIENTS["iPXE on BIOS"].features)
    address = takes_address(cable, pc)
    assert len(fetch(CLIENT_NAMESPACE, "undionly.kpxe")) > 50000
    takes_address(cable, ipxe)
    assert b"#!ipxe" in gets("/boot/boot.ipxe", address)
    assert b"#!ipxe" in gets(f"/boot/script?mac={pc.mac}&platform=pcbios", address)
    eventually(lambda: len(boots(server, pc.mac)[0]["events"]) >= 6 if boots(server, pc.mac) else False)
    (boot,) = boots(server, pc.mac)
    assert [event["stage"] for event in boot["events"]] == ["dhcp", "dhcp", "tftp", "dhcp", "dhcp", "script"]
    assert boot["stage"] == "script"
    file = boot["events"][2]
    assert (file["facts"]["file"], file["facts"]["bytes"] > 50000) == ("undionly.kpxe", True)
    assert "Waits to be approved" in eventually(lambda: boots(server, pc.mac)[0]["reason"])
    assert all(event["elapsed_seconds"] >= 0 for event in boot["events"])


def test_a_pc_that_reaches_tftp_and_not_http_says_so_after_half_a_minute(
    cable: Cable, server: Instance
) -> None:
    pc = Client("52:54:00:00:aa:02", pxe(7), 7)
    takes_address(cable, pc)
    assert len(fetch(CLIENT_NAMESPACE, "snponly.efi")) > 50000
    eventually(lambda: boots(server, pc.mac) and boots(server, pc.mac)[0]["outcome"] == "failed", 40)
    assert boots(server, pc.mac)[0]["reason"] == (
        "loader fetched, no script asked for within 30 s: the machine reached TFTP but not HTTP port 8080"
    )


def test_a_pi_that_only_asks_for_files_is_discovered_as_one(cable: Cable, server: Instance) -> None:
    pi = Client("dc:a6:32:00:aa:03", pxe(0), 0, machine_id=pi_id(b"RPi4"))
    takes_address(cable, pi)
    assert fetch(CLIENT_NAMESPACE, "9ffefdef/start4.elf") == b""
    found = eventually(
        lambda: [one for one in server.api("GET", "/api/v1/unknown-devices").json if one["mac"] == pi.mac]
    )
    assert found[0]["device_type"] == "raspi"
    assert boots(server, pi.mac)[0]["events"][-1]["facts"]["file"] == "9ffefdef/start4.elf"


def test_dnsmasq_that_is_killed_answers_again_within_seconds_and_nothing_is_doubled(
    cable: Cable, server: Instance
) -> None:
    pc = Client("52:54:00:00:aa:04", pxe(0), 0)
    takes_address(cable, pc)
    eventually(lambda: boots(server, pc.mac))
    before = program(server)
    os.kill(before, signal.SIGKILL)
    again = Client("52:54:00:00:aa:05", pxe(0), 0)
    began = time.monotonic()
    eventually(lambda: cable.discover(again, 0.5), 15)
    assert time.monotonic() - began < 10
    assert program(server) != before
    eventually(lambda: boots(server, again.mac))
    assert len(boots(server, pc.mac)[0]["events"]) == 2


def test_a_recorder_that_is_killed_goes_on_where_it_was(cable: Cable, server: Instance) -> None:
    pc = Client("52:54:00:00:aa:06", pxe(0), 0)
    server.kill("recorder")
    takes_address(cable, pc)
    assert len(fetch(CLIENT_NAMESPACE, "undionly.kpxe")) > 50000
    began = time.monotonic()
    eventually(lambda: boots(server, pc.mac) and len(boots(server, pc.mac)[0]["events"]) == 3, 30)
    assert time.monotonic() - began < 15
    time.sleep(2)
    assert len(boots(server, pc.mac)[0]["events"]) == 3


def test_dnsmasq_and_the_recorder_take_little_memory_and_time(server: Instance) -> None:
    found = {name: usage(server.pid(name)) for name in ("dnsmasq", "recorder")}
    found["dnsmasq itself"] = usage(program(server))
    time.sleep(5)
    spent = {name: usage(server.pid(name))[1] - found[name][1] for name in ("dnsmasq", "recorder")}
    assert found["dnsmasq"][0] < 25, found
    assert found["recorder"][0] < 90, found
    assert spent["recorder"] < 1.0, spent


def usage(process_id: int) -> tuple[float, float]:
    """MiB resident, and seconds of processor time."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    words = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    ticks = int(words[11]) + int(words[12])  # proc(5): utime, stime
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, ticks / os.sysconf("SC_CLK_TCK")
