"""The wire's port: one suite for the fake, and for raw sockets among real servers in namespaces."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bootflow.ports import BootAnswer, Wire, WireServer
from bootflow.recorder.assemble import assemble
from bootflow.recorder.parse import parse_line
from bootflow.wire.raw import RawWire
from netboot_site.errors import UnavailableError
from tests.bootflow.dhcp_lab import CLIENT, SERVER, Lab, inside, lab, packet_socket, real_dnsmasq_is_here
from tests.bootflow.fakes import FakeWire
from tests.bootflow.running import Running, network, running_dnsmasq, wait_for

real = pytest.param(
    "real",
    marks=[
        pytest.mark.real_dnsmasq,
        pytest.mark.skipif(not real_dnsmasq_is_here(), reason="needs root, dnsmasq and iproute2"),
    ],
)
SECONDS = 0.8  # none of these servers pings an address before it offers it
SLEEPER = "52:54:00:ab:cd:ef"


@dataclass
class Inside:
    """The real wire as seen from a namespace."""

    namespace: str

    def look(self, interface: str) -> Any:
        return self._do(lambda: RawWire(SECONDS).look(interface))

    def wake(self, interface: str, mac: str) -> None:
        self._do(lambda: RawWire().wake(interface, mac))

    def _do(self, work: Callable[[], Any]) -> Any:
        def kept() -> Any:
            try:
                return work()
            except UnavailableError as error:
                return error

        found = inside(self.namespace, kept)
        if isinstance(found, UnavailableError):
            raise found
        return found


@dataclass
class Place:
    """A wire under test, and the real one's lab."""

    wire: Wire
    lab: Lab | None = None


@pytest.fixture(scope="module", params=["fake", real])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "fake":
        yield Place(FakeWire(broken={"none": "The interface none cannot be used: no such device."}))
        return
    with lab() as made:
        yield Place(Inside(made.server), made)


def test_where_nobody_is_nobody_answers(place: Place) -> None:
    assert list(place.wire.look("nbserver")) == []


@pytest.mark.parametrize("verb", ["look", "wake"])
def test_an_interface_that_is_not_there_is_told(place: Place, verb: str) -> None:
    with pytest.raises(UnavailableError, match="The interface none cannot be used: no such device"):
        place.wire.look("none") if verb == "look" else place.wire.wake("none", SLEEPER)


def test_a_packet_is_sent_without_a_word(place: Place) -> None:
    place.wire.wake("nbserver", SLEEPER)


@contextlib.contextmanager
def foreign(at: Lab, *options: str) -> Iterator[None]:
    """Another dnsmasq at the client's end, which knows nothing of us."""
    words = ["dnsmasq", "-k", "-C", "/dev/null", "--port=0", "--interface=nbclient", "--bind-interfaces"]
    more = ["--no-ping", "--leasefile-ro", "--user=root", "--log-facility=-", "--pid-file=", *options]
    enter = ["nsenter", f"--net=/run/netns/{at.client}"]
    process = subprocess.Popen([*enter, *words, *more], stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        while b"bound exclusively" not in (line := process.stderr.readline()):
            assert line, "the other server did not start"
        time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def ours() -> Iterator[tuple[Lab, Running]]:
    if not real_dnsmasq_is_here():
        pytest.skip("needs root, dnsmasq and iproute2")
    with lab() as made, running_dnsmasq(made, network("proxy")) as one:
        yield made, one


def by_address(found: list[WireServer]) -> dict[str, WireServer]:
    return {server.address: server for server in found}


@pytest.mark.real_dnsmasq
def test_a_router_and_our_own_proxy_are_told_apart_and_what_ours_says_is_seen(
    ours: tuple[Lab, Running],
) -> None:
    at, _ = ours
    with foreign(at, "--dhcp-range=10.66.0.180,10.66.0.199,1h"):
        found = by_address(Inside(at.server).look("nbserver"))
    assert set(found) == {SERVER, CLIENT}
    assert (found[CLIENT].hands_out_addresses, found[CLIENT].answers_pxe) == (True, False)
    own = found[SERVER]
    assert (own.hands_out_addresses, own.answers_pxe) == (False, True)
    assert BootAnswer("BIOS PC", "undionly.kpxe", SERVER) in own.answers
    assert {"UEFI PC", "Raspberry Pi"} < {answer.client for answer in own.answers}


@pytest.mark.real_dnsmasq
def test_a_foreign_pxe_server_is_found_with_the_file_that_it_would_load(ours: tuple[Lab, Running]) -> None:
    at, _ = ours
    with foreign(at, f"--dhcp-range={CLIENT},proxy", "--pxe-service=x86PC,Other,l", "--dhcp-boot=l.0"):
        found = by_address(Inside(at.server).look("nbserver"))
    assert (found[CLIENT].hands_out_addresses, found[CLIENT].answers_pxe) == (False, True)
    told = {answer.client: answer.boot_file for answer in found[CLIENT].answers}
    assert told["BIOS PC"] == "l.0"


@pytest.mark.real_dnsmasq
def test_our_recorder_takes_no_look_for_a_machine(ours: tuple[Lab, Running]) -> None:
    at, one = ours
    Inside(at.server).look("nbserver")
    wait_for(lambda: one.log.read_text().count("netboot-orchestrator-probe") >= 4)
    records = [record for line in one.log.read_text().splitlines() if (record := parse_line(line))]
    assert len(records) > 20
    assert list(assemble(records, tftp_root="", size_of=lambda _: None)) == []


def next_frames(hears: socket.socket, count: int, mac: str) -> list[bytes]:
    """Those with this address in them; others of the kernel's own may come between."""
    found: list[bytes] = []
    while len(found) < count:
        frame = hears.recv(2048)
        found += [frame] if bytes.fromhex(mac.replace(":", "")) in frame else []
    return found


@pytest.mark.real_dnsmasq
def test_both_forms_of_a_magic_packet_arrive_byte_by_byte(ours: tuple[Lab, Running]) -> None:
    at, _ = ours
    hears = inside(at.client, lambda: packet_socket("nbclient"))
    hears.settimeout(5)
    Inside(at.server).wake("nbserver", SLEEPER)
    sender = inside(at.server, lambda: packet_socket("nbserver").getsockname()[4])
    with hears:
        frames = next_frames(hears, 2, SLEEPER)
    magic = b"\xff" * 6 + bytes.fromhex(SLEEPER.replace(":", "")) * 16
    assert frames[0] == b"\xff" * 6 + sender + b"\x08\x42" + magic
    assert frames[1][:14] == b"\xff" * 6 + sender + b"\x08\x00"
    assert frames[1][26:34] == socket.inet_aton(SERVER) + b"\xff" * 4
    assert frames[1][36:38] == (9).to_bytes(2, "big")
    assert frames[1][42:] == magic
