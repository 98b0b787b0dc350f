"""The order in which a Pi's firmware asks for files, and where it gives up."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.system.boots.pi.boards import Board
from tests.system.boots.pi.config import Config, Reader, initramfs_beside
from tests.system.boots.pi.dhcp import Lease, RefusedError
from tests.system.boots.pi.tftp import Client, Transfer

_SELF_UPDATE = ("vl805", "pieeprom")


@dataclass
class Fetched:
    """All that the firmware has in memory when it starts the kernel."""

    board: Board
    prefix: str
    kernel: bytes = b""
    device_tree: bytes = b""
    initramfs: bytes = b""
    cmdline: str = ""
    kernel_name: str = ""
    overlays: dict[str, bytes] = field(default_factory=dict)
    firmware: dict[str, bytes] = field(default_factory=dict)
    config: Config = field(default_factory=Config)
    updates: list[str] = field(default_factory=list)  # bootloader files that it would have flashed
    leases: list[Lease] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def asked(self) -> list[str]:
        """Paths in the order asked."""
        return [one.path for one in self.transfers]

    @property
    def bytes_read(self) -> int:
        return sum(one.size_bytes for one in self.transfers if one.outcome == "read")


class Firmware:
    """One generation's second half: from the first firmware file to the kernel."""

    def __init__(self, board: Board, client: Client) -> None:
        self.board, self.client = board, client
        self.model = board.model
        self.prefix = f"{board.short_serial}/"
        self.got = Fetched(board, self.prefix)

    def run(self) -> Fetched:
        """Fetch everything. Raises RefusedError where the real one stops."""
        {"pi4": self._pi4, "pi5": self._pi5}.get(self.model.key, self._pi3)()
        self.got.prefix = self.prefix
        self.got.transfers = self.client.transfers
        return self.got

    # --- generations ----------------------------------------------------------------------------------------

    def _pi3(self) -> None:
        self._choose_prefix(self.model.start_file)
        self._probe("autoboot.txt")
        self._read_config()
        self._probe("recovery.elf")
        self._read_firmware()
        self._probe("recovery.elf")
        self._read_config()
        self._read("dt-blob.bin")
        self._probe("recovery.elf")
        self._read_config()
        self._read("bootcfg.txt")
        self._read_tree()
        self._read_overlays()
        self._read_cmdline()
        self._probe("recovery8.img" if self._is_64_bit else "recovery7.img")
        self._read_kernel()
        self._read_initramfs()

    def _pi4(self) -> None:
        self._choose_prefix(self.model.start_file, "start.elf")
        self._read_config()
        for name in _SELF_UPDATE:
            self._self_update(name)
        for name in ("recover4.elf", "recovery.elf"):
            self._probe(name)
        self._read_firmware()
        self._read_config()
        self._read_tree()
        self._read_overlays()
        self._read_cmdline()
        self._read_kernel()
        self._read_initramfs()

    def _pi5(self) -> None:
        tree = self.model.device_trees[0]
        if not (self._probe("config.txt") and self._probe(tree)):
            self.prefix = ""
            if not self._probe("config.txt"):
                raise RefusedError("Neither the Pi's folder nor the root holds config.txt.")
        self._read_config()
        self._self_update("pieeprom")
        self._read_cmdline()
        self._read_tree()
        self._read_overlays()
        self._read_kernel()
        self._read_initramfs()

    # --- files --------------------------------------------------------------------------------------------

    def _choose_prefix(self, *names: str) -> None:
        """Without a firmware file in its folder, everything is asked for in the root."""
        if any(self._probe(name) for name in names):
            return
        self.prefix = ""
        if not any(self._probe(name) for name in names):
            raise RefusedError(f"Neither the Pi's folder nor the root holds {names[0]}.")

    def _probe(self, name: str) -> bool:
        return self.client.probe(self.prefix + name)

    def _read(self, name: str) -> bytes | None:
        return self.client.read(self.prefix + name)

    def _read_config(self) -> None:
        text = self._text("config.txt")
        self.got.config = Reader(self.board, self._text).take(text or "")

    def _text(self, name: str) -> str | None:
        data = self._read(name)
        return None if data is None else data.decode(errors="replace")

    def _needed(self, name: str, what: str) -> bytes:
        data = self._read(name)
        if data is None:
            raise RefusedError(f"No {what}: {self.prefix}{name} is not there.")
        return data

    def _read_firmware(self) -> None:
        start, fixup = self.model.start_file, self.model.fixup_file
        kind = "x" if self.got.config.on("start_x") else ""
        joint = "" if self.model.key == "pi4" or not kind else "_"
        start = self.got.config.name("start_file", start.replace(".elf", f"{joint}{kind}.elf"))
        fixup = self.got.config.name("fixup_file", fixup.replace(".dat", f"{joint}{kind}.dat"))
        self.got.firmware[start] = self._needed(start, "firmware")
        self.got.firmware[fixup] = self._read(fixup) or b""

    def _self_update(self, name: str) -> None:
        """A bootloader that finds a signature fetches its update and flashes it."""
        if self._read(f"{name}.sig") is not None:
            update = f"{name}.{'upd' if name == 'pieeprom' else 'bin'}"
            if self._read(update) is not None:
                self.got.updates.append(update)

    def _read_tree(self) -> None:
        vendor, mainline = self.model.device_trees
        names = [mainline, vendor] if self.got.config.on("upstream_kernel") else [vendor, mainline]
        chosen = self.got.config.values.get("device_tree")
        found = self._first([chosen] if chosen else list(dict.fromkeys(names)))
        if found is None:
            raise RefusedError(f"No device tree: {' and '.join(names)} are not there.")
        self.got.device_tree = found[1]

    def _first(self, names: list[str]) -> tuple[str, bytes] | None:
        for name in names:
            if self._probe(name) and (data := self._read(name)) is not None:
                return name, data
        return None

    def _read_overlays(self) -> None:
        self._read("overlays/overlay_map.dtb")
        for name in self.got.config.overlays:
            path = f"overlays/{name}.dtbo"
            if self._probe(path) and (data := self._read(path)) is not None:
                self.got.overlays[name] = data

    def _read_cmdline(self) -> None:
        data = self._read(self.got.config.name("cmdline", "cmdline.txt")) or b""
        self.got.cmdline = data.decode(errors="replace").split("\n")[0].rstrip("\r")

    @property
    def _is_64_bit(self) -> bool:
        default = "0" if self.model.boot_code else "1"
        return self.got.config.on("arm_64bit", default) or not self.model.kernel_32

    def _read_kernel(self) -> None:
        kernels = list(self.model.kernels) if self._is_64_bit else [self.model.kernel_32]
        chosen = self.got.config.values.get("kernel")
        names = [chosen] if chosen else kernels
        name = next((name for name in names if self._probe(name)), None)
        if name is None:
            raise RefusedError(f"No kernel: {' and '.join(self.prefix + name for name in names)} not there.")
        self._read(self.got.config.name("armstub", self.model.stub))
        self.got.kernel_name, self.got.kernel = name, self._needed(name, "kernel")

    def _read_initramfs(self) -> None:
        """Several files make one blob, one behind the other."""
        names = self.got.config.initramfs
        if not names and self.got.config.on("auto_initramfs"):
            beside = initramfs_beside(self.got.kernel_name)
            names = [beside] if beside and self._probe(beside) else []
        self.got.initramfs = b"".join(self._needed(name, "initramfs") for name in names)


def boot_code(client: Client) -> None:
    """What the ROM of a Pi 3 loads, from the root, before anything knows of a prefix."""
    if client.read("bootcode.bin", plain=True) is None:
        raise RefusedError("The root does not hold bootcode.bin.")
    client.read("bootsig.bin", plain=True)
