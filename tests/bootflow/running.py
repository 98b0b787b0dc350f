"""A real dnsmasq at the server's end of the lab, kept as `manage.py run_dnsmasq` keeps it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from bootflow.adapters import PID_NAME, STARTED_NAME, Dnsmasq
from bootflow.dnsmasq import DhcpMode, DnsmasqConfig, ServedNetwork, render
from tests.bootflow.dhcp_lab import SERVER, Lab

LOADERS = {"undionly.kpxe": 70000, "snponly.efi": 150000, "ipxe.efi": 900000, "ipxe-arm64.efi": 1000}


def network(mode: str, interface: str = "nbserver") -> ServedNetwork:
    pool = (IPv4Address("10.66.0.100"), IPv4Address("10.66.0.150")) if mode == "server" else None
    return ServedNetwork(interface, IPv4Address(SERVER), DhcpMode(mode), 24, pool)


def wait_for(what: Callable[[], object], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


@dataclass
class Running:
    """The kept dnsmasq, its folder and its lines."""

    server: Dnsmasq
    folder: Path
    keeper: subprocess.Popen[bytes]
    log: Path

    def config(self, *networks: ServedNetwork, **changes: object) -> str:
        return render(DnsmasqConfig(networks, 8080, self.folder, self.folder / "tftp", **changes))  # type: ignore[arg-type]

    def serve(self, *networks: ServedNetwork, **changes: object) -> None:
        """Install a configuration, and wait until it is served."""
        self.server.install(self.config(*networks, **changes))
        self.server.restart()
        self.wait()

    def wait(self) -> None:
        wait_for(lambda: self.server.observe().is_current)
        time.sleep(0.1)  # it writes its pid just before it begins to listen to its sockets


def folder_for_netboot() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="nb-rec-"))
    (folder / "tftp").mkdir()
    for name, size in LOADERS.items():
        (folder / "tftp" / name).write_bytes(name.encode() + b"x" * size)
    for path in (folder, folder / "tftp"):
        path.chmod(0o755)
        shutil.chown(path, "netboot", "netboot")
    return folder


def keeper_words(server: Dnsmasq) -> list[str]:
    stamp = [sys.executable, "-m", "netboot_site.stamp", "--started"]
    files = [str(server.folder / STARTED_NAME), str(server.config_path), "--"]
    return [*stamp, *files, "dnsmasq", "-k", f"--conf-file={server.config_path}", "--log-facility=-"]


@contextlib.contextmanager
def running_dnsmasq(lab: Lab, *networks: ServedNetwork) -> Iterator[Running]:
    """dnsmasq as the user netboot with three ambient capabilities, and not as root."""
    folder = folder_for_netboot()
    server, log = Dnsmasq(folder), folder / "dnsmasq.log"
    text = render(DnsmasqConfig(networks, 8080, folder, folder / "tftp"))
    server.install(text)
    with log.open("wb") as lines:
        keeper = subprocess.Popen(lab.words(*keeper_words(server)), stdout=lines)
    one = Running(server, folder, keeper, log)
    try:
        wait_for(lambda: (folder / PID_NAME).exists())
        one.wait()
        yield one
    finally:
        keeper.terminate()
        keeper.wait(20)
        shutil.rmtree(folder)
