"""A stock-like initramfs, given its segment, finds its root on an iSCSI disk; kernel and daemons are real.

The whole product's part of it is tests/system/boots.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bootflow.raspberry_pi.cmdline import Ours, Target, render_cmdline
from images.raspberry_pi.reading import BootBundle
from tests.images.raspberry_pi.conftest import Read
from tests.images.tgtd import Tgtd
from tests.pi.image import pi_image, read_root_file
from tests.pi.options import PiImageOptions
from tests.system.boots.pi.boards import PI_3B, Board
from tests.system.boots.pi.machine import BOOT_WITHIN_SECONDS, PiMachine
from tests.system.boots.pi.rom import Fetched
from tests.system.instance import Wire

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.slow,
    pytest.mark.real_tgtd,
    pytest.mark.real_dnsmasq,
    pytest.mark.timeout(600),
]
PORT = 8080
TARGET = "iqn.2026-02.local.netboot:pi-3b"
USER, SECRET = "pi-user", "*a[secret]of-it?"  # what a shell would take for patterns
ANSWERS = (
    "action wait\nseconds 1\nsay The disk is being made.\n",
    "action wait\nseconds 1\nsay The disk is being made.\n",
    "action boot\nseconds 0\n",
)


@pytest.fixture
def wire() -> Iterator[Wire]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with Wire.create("10.88.0.1/24") as made:
        yield made


@contextmanager
def dhcp(wire: Wire, folder: Path) -> Iterator[None]:
    argv = [
        "dnsmasq",
        "-k",
        "--port=0",
        f"--interface={wire.bridge}",
        "--bind-interfaces",
        "--conf-file=/dev/null",
    ]
    files = [f"--dhcp-leasefile={folder / 'leases'}", "--pid-file", "--log-facility=/dev/null"]
    process = subprocess.Popen(wire.inside(*argv, "--dhcp-range=10.88.0.50,10.88.0.99,1h", *files))
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def server(wire: Wire) -> Iterator[list[str]]:
    """Answers a Pi's check-ins one after the other, and gives the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = ANSWERS[min(len(asked), len(ANSWERS) - 1)].encode()
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with wire.entered():
        http = ThreadingHTTPServer((wire.address, PORT), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield asked
    finally:
        http.shutdown()
        http.server_close()


@contextmanager
def target(wire: Wire, disk: Path, secret: str) -> Iterator[Tgtd]:
    """tgtd with the disk behind CHAP."""
    tgtd = Tgtd(wire, f"{wire.address}:3260")  # type: ignore[arg-type]
    try:
        serve(tgtd, disk, secret)
        yield tgtd
    finally:
        tgtd.remove()


def serve(tgtd: Tgtd, disk: Path, secret: str) -> None:
    for words in (
        f"--op new --mode target --tid 1 -T {TARGET}",
        f"--op new --mode logicalunit --tid 1 --lun 1 -b {disk}",
        f"--op new --mode account --user {USER} --password {secret}",
        f"--op bind --mode account --tid 1 --user {USER}",
        "--op bind --mode target --tid 1 -I ALL",
    ):
        done = tgtd.adm(*words.split())
        assert done.returncode == 0, done.stderr


def last_record(console: str) -> int:
    """The number of the last record that the disk has acknowledged."""
    return max((int(number) for number in re.findall(r"pi-guest: record (\d+)", console)), default=0)


def change_secret(tgtd: Tgtd, secret: str) -> None:
    for words in (
        f"--op delete --mode account --user {USER}",
        f"--op new --mode account --user {USER} --password {secret}",
        f"--op bind --mode account --tid 1 --user {USER}",
    ):
        assert tgtd.adm(*words.split()).returncode == 0, words


def fetched(bundle: BootBundle, board: Board, wire: Wire) -> Fetched:
    """What the firmware would have in memory."""
    ours = Ours(f"http://{wire.address}:{PORT}/boot/", board.mac)
    disk = Target(TARGET, wire.address, 3260, "iqn.2026-02.local.netboot:initiator", USER, SECRET)
    states = [one["iscsi"] for one in bundle.facts["initramfs"]]
    return Fetched(
        board,
        "",
        kernel=bundle.files["kernel8.img"].read_bytes(),
        device_tree=bundle.files["bcm2710-rpi-3-b.dtb"].read_bytes(),
        initramfs=bundle.files["initramfs8"].read_bytes(),
        cmdline=render_cmdline(
            f"{bundle.facts['cmdline']} pi-guest.writer=2", disk, initramfs=states, ours=ours
        ),
    )


def test_a_stock_initramfs_finds_its_root_on_iscsi_and_keeps_it_when_the_server_starts_again(
    wire: Wire, tmp_path: Path, read: Read
) -> None:
    disk, board = tmp_path / "disk.img", Board.numbered(PI_3B, 1)
    pi_image(disk, PiImageOptions(shell="klibc", compression="lz4"))
    bundle = read(disk)
    machine = PiMachine(board, wire, "nbpitap", tmp_path / "pi")
    machine.namespace.add_tap("nbpitap", bridge=wire.bridge)
    machine.load(fetched(bundle, board, wire))
    with dhcp(wire, tmp_path), server(wire) as asked, target(wire, disk, "another-secret") as tgtd:
        machine.power_on()
        try:
            machine.wait_for("refused this device's CHAP name", timeout_seconds=BOOT_WITHIN_SECONDS)
            change_secret(tgtd, SECRET)
            machine.wait_for("pi-guest: record 2", timeout_seconds=BOOT_WITHIN_SECONDS)
            tgtd.kill()
            written = last_record(machine.console())
            tgtd.start()
            serve(tgtd, disk, SECRET)
            # One more may have been on its way.
            console = machine.wait_for(
                lambda text: last_record(text) > written + 2, timeout_seconds=BOOT_WITHIN_SECONDS
            )
        finally:
            machine.power_off()

    assert "netboot: The disk is being made." in console
    assert console.count("The disk is being made.") == 1, "it is said again at each check-in"
    assert SECRET not in "".join(re.findall(r"netboot: .*", console.partition("netboot: Starting")[2]))
    checked_in = [path for path in asked if path.startswith("/boot/pi?")]
    assert f"mac={board.mac}&serial={board.serial:0>16}&model=Raspberry+Pi+3+Model+B&" in checked_in[0]
    assert re.search(r"&revision=[0-9a-f]{8}&", checked_in[0]), checked_in
    assert checked_in[0].endswith("system=initramfs&retry=0")
    assert checked_in[1].endswith("system=initramfs&retry=1")
    assert "pi-guest: root is /dev/sda2" in console
    assert asked[-1] == f"/boot/online?mac={board.mac}"
    assert "from /dev/sda2" in read_root_file(disk, "/marker")
    seen = read_root_file(disk, "/fstab-seen")
    assert "/dev/sda1  /old-boot" in seen, "the SD card's line is not this disk's"
    assert "PARTUUID=6c586e13-01  /boot/firmware" in seen
    assert "/dev/mmcblk0p1  /old-boot" in read_root_file(disk, "/etc/fstab"), "the disk itself was changed"
