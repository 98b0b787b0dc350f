"""A Pi's place on the wire: a namespace with one interface that has its MAC address."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from tests.bootflow.dhcp_lab import ip, packet_socket
from tests.system.boots.pi.boards import Board
from tests.system.boots.pi.dhcp import Exchange, Lease, RefusedError
from tests.system.boots.pi.rom import Fetched, Firmware, boot_code
from tests.system.boots.pi.tftp import Client, FileTimeoutError
from tests.system.instance import Wire

_INTERFACE = "eth0"


@dataclass
class PlayedPi:
    """A Pi that is plugged into a test's wire, without its processor: only its boot ROM runs."""

    board: Board
    wire: Wire
    namespace: str = field(default_factory=lambda: f"nbp{secrets.token_hex(4)}")

    def plug(self) -> None:
        """Lay the cable to the wire's bridge."""
        port = f"p{self.namespace[3:]}"
        ip("netns", "add", self.namespace)
        ip("-n", self.wire.namespace, "link", "add", port, "type", "veth",
           "peer", "name", _INTERFACE, "address", self.board.mac, "netns", self.namespace)  # fmt: skip
        ip("-n", self.wire.namespace, "link", "set", port, "master", self.wire.bridge, "up")
        ip("-n", self.namespace, "link", "set", _INTERFACE, "up")

    def unplug(self) -> None:
        """Pull the cable out; the MAC address is free for a virtual machine."""
        ip("-n", self.wire.namespace, "link", "delete", f"p{self.namespace[3:]}")
        ip("netns", "delete", self.namespace)

    def __enter__(self) -> PlayedPi:
        self.plug()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def power_on(self) -> Fetched:
        """From the first DISCOVER to the last file. Raises what stops a real one."""
        began = time.monotonic()
        with self._entered():
            leases = [self._lease(in_rom=True)]
            client = Client(leases[0].server, self.board.model)
            if self.board.model.boot_code:
                with self._silent():
                    boot_code(client)
                leases.append(self._lease(in_rom=False))
                client.server = leases[-1].server
            fetched = Firmware(self.board, client).run()
        fetched.leases, fetched.seconds = leases, time.monotonic() - began
        return fetched

    def check_in(self, cmdline: str, retry: int) -> str:
        """What its initramfs is told, when it asks as this command line says."""
        said = dict(word.partition("=")[::2] for word in cmdline.split())
        url = f"{said['netboot.url']}pi?mac={said['netboot.mac']}&system=initramfs&retry={retry}"
        with self._entered(), urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())

    def ask(self, *paths: str) -> Client:
        """A Pi that has an address, and asks for these files alone."""
        with self._entered():
            client = Client(self._lease(in_rom=True).server, self.board.model)
            for path in paths:
                client.read(path)
        return client

    def socket(self) -> socket.socket:
        """A UDP socket of its own."""
        with self._entered():
            return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def lease(self) -> Lease:
        """The first DHCP exchange alone."""
        with self._entered():
            return self._lease(in_rom=True)

    def _lease(self, *, in_rom: bool) -> Lease:
        """The address is the interface's until the next power-on."""
        ip("-n", self.namespace, "address", "flush", "dev", _INTERFACE)
        with packet_socket(_INTERFACE) as wire:
            lease = Exchange(self.board, wire, in_rom=in_rom).run()
        ip("-n", self.namespace, "address", "add", f"{lease.address}/{lease.mask_bits}", "dev", _INTERFACE)
        return lease

    @contextmanager
    def _silent(self) -> Iterator[None]:
        """While the ROM of a Pi 3B reads a file, it answers no ARP request."""
        switch = Path(f"/proc/sys/net/ipv4/conf/{_INTERFACE}/arp_ignore")
        if self.board.model.takes_a_lease:
            yield
            return
        switch.write_text("8")  # ip-sysctl: do not reply for all local addresses
        try:
            yield
        finally:
            switch.write_text("0")

    @contextmanager
    def _entered(self) -> Iterator[None]:
        with Wire(self.namespace, "").entered():
            yield


@contextmanager
def plugged(pis: Iterable[PlayedPi]) -> Iterator[list[PlayedPi]]:
    """All of them on the wire, for a while."""
    with ExitStack() as stack:
        yield [stack.enter_context(pi) for pi in pis]


def power_on_together(pis: Iterable[PlayedPi]) -> list[Fetched | RefusedError | FileTimeoutError]:
    """What became of each; they start at the same moment."""

    def one(pi: PlayedPi) -> Fetched | RefusedError | FileTimeoutError:
        try:
            return pi.power_on()
        except (RefusedError, FileTimeoutError) as stop:
            return stop

    all_of_them = list(pis)
    with ThreadPoolExecutor(len(all_of_them)) as threads:
        return list(threads.map(one, all_of_them))
