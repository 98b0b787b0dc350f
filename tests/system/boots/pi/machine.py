"""A Raspberry Pi's processor: QEMU's Pi 3, started with exactly what the played boot ROM has fetched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from netboot_site.demo.machine import Hardware, Machine
from netboot_site.demo.netns import Namespace
from tests.system.boots.pi.boards import Board
from tests.system.boots.pi.device_tree import with_board
from tests.system.boots.pi.place import PlayedPi
from tests.system.boots.pi.rom import Fetched
from tests.system.instance import Instance, Wire

BOOT_WITHIN_SECONDS = 240.0  # under emulation, on two cores that other tests use too
# The firmware puts the name of the board's first serial line there; QEMU's first one is the PL011.
_SERIAL = ("console=serial0", "console=ttyAMA0")


class PiMachine(Machine):
    """The virtual board; its kernel log is its console."""

    def __init__(self, board: Board, wire: Wire, tap: str, folder: Path) -> None:
        super().__init__(Hardware(board.mac, tap), Namespace(wire.namespace), folder)
        self.cmdline = ""

    def load(self, fetched: Fetched) -> None:
        """Put into its memory what the firmware has there when it starts the kernel."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tree = with_board(fetched.device_tree, fetched.board)
        for name, data in (("kernel", fetched.kernel), ("dtb", tree), ("initrd", fetched.initramfs)):
            (self.folder / name).write_bytes(data)
        self.cmdline = fetched.cmdline.replace(*_SERIAL)

    def argv(self) -> list[str]:
        """QEMU's command line. Its network is on USB, as a Pi 3's is."""
        hardware = self.hardware
        initrd = self.folder / "initrd"
        return [
            *("qemu-system-aarch64", "-name", self.namespace.name, "-M", "raspi3b", "-m", "1G"),
            *("-accel", "tcg", "-display", "none", "-no-reboot", "-serial", f"file:{self.console_path}"),
            *("-kernel", str(self.folder / "kernel"), "-dtb", str(self.folder / "dtb")),
            *(("-initrd", str(initrd)) if initrd.stat().st_size else ()),
            *("-append", self.cmdline),
            *("-netdev", f"tap,id=wire,ifname={hardware.tap},script=no,downscript=no"),
            *("-device", f"usb-net,netdev=wire,mac={hardware.mac}"),
            *("-qmp", f"unix:{self.folder / 'qmp'},server=on,wait=off"),
        ]


class VirtualPi:
    """A Pi in a room: its boot ROM is played, its processor emulated."""

    def __init__(self, instance: Instance, board: Board, folder: Path, number: int) -> None:
        self.instance, self.board = instance, board
        tap = f"nbtap{number}"
        Namespace(instance.wire.namespace).add_tap(tap, bridge=instance.wire.bridge)
        self.machine = PiMachine(board, instance.wire, tap, folder / f"pi{number}")

    def power_on(self) -> Fetched:
        """Play the ROM; then the processor runs. Raises RefusedError where the ROM stops."""
        with PlayedPi(self.board, self.instance.wire) as played:
            fetched = played.power_on()
        self.machine.load(fetched)
        self.machine.power_on()
        return fetched

    def power_off(self) -> None:
        self.machine.power_off()

    def wait_for(self, text: str | Callable[[str], bool], seconds: float = BOOT_WITHIN_SECONDS) -> str:
        """Its console once the text stands there."""
        console = self.machine.wait_for(text, timeout_seconds=seconds)
        assert "Kernel panic" not in console, console[-3000:]
        return console
