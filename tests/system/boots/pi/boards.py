"""Which Raspberry Pis are played, and how their firmware differs."""

from __future__ import annotations

import struct
from dataclasses import dataclass

VENDOR_CLASS = b"PXEClient:Arch:00000:UNDI:002001"
ARCHITECTURE = b"\0\0"  # x86 BIOS, and every Pi
UNDI = b"\x01\x02\x01"
_MENU = b"Raspberry Pi Boot"
_PXE = (43, 60, 67, *range(128, 136), 66)  # a captured DISCOVER of a Pi 3B; later stages add 1 and 3


@dataclass(frozen=True)
class Model:
    """What one generation's firmware does; times are the firmware's own."""

    name: str
    key: str  # by which config.txt's filters call it
    device_trees: tuple[str, str]  # the vendor's kernel's name and the mainline kernel's
    parameters: tuple[int, ...]  # option 55
    menu: bytes  # what option 43's menu has to begin with
    takes_a_lease: bool  # whether REQUEST follows OFFER
    tries: int
    try_seconds: float
    block_size: int
    file_seconds: float = 30.0  # TFTP_FILE_TIMEOUT of the EEPROM; the ROM's is not known
    xid: int | None = None  # the same one at every boot
    boot_code: bool = False  # whether bootcode.bin comes first, by the ROM
    start_file: str = ""  # none: it is in the EEPROM
    fixup_file: str = ""
    kernels: tuple[str, ...] = ("kernel8.img",)  # in this order, of 64 bits
    kernel_32: str = ""
    stub: str = "armstub8.bin"


_SPREAD = 0x9E3779  # odd, so that no two numbers meet: a room's boards do not come in a row
_ROM_XID = 0x26F30339
PI_3B = Model(
    "Raspberry Pi 3 Model B", "pi3", ("bcm2710-rpi-3-b.dtb", "bcm2837-rpi-3-b.dtb"), _PXE,
    # Its length calculation is wrong: three more characters have to stand there.
    menu=_MENU + b"   ", takes_a_lease=False, tries=5, try_seconds=5, block_size=1024, xid=_ROM_XID,
    boot_code=True, start_file="start.elf", fixup_file="fixup.dat", kernel_32="kernel7.img",
)  # fmt: skip
PI_3B_PLUS = Model(
    "Raspberry Pi 3 Model B Plus", "pi3+", ("bcm2710-rpi-3-b-plus.dtb", "bcm2837-rpi-3-b-plus.dtb"),
    (*_PXE, 1, 3), menu=_MENU, takes_a_lease=True, tries=5, try_seconds=5, block_size=1024, xid=_ROM_XID,
    boot_code=True, start_file="start.elf", fixup_file="fixup.dat", kernel_32="kernel7.img",
)  # fmt: skip
PI_4B = Model(
    "Raspberry Pi 4 Model B", "pi4", ("bcm2711-rpi-4-b.dtb", "bcm2711-rpi-4-b.dtb"),
    (1, 3, 43, 60, 66, 67, *range(128, 136)), menu=_MENU, takes_a_lease=True, tries=10, try_seconds=4,
    block_size=1468, start_file="start4.elf", fixup_file="fixup4.dat", kernel_32="kernel7l.img",
    stub="armstub8-gic.bin",
)  # fmt: skip
PI_5 = Model(
    "Raspberry Pi 5 Model B", "pi5", ("bcm2712-rpi-5-b.dtb", "bcm2712-rpi-5-b.dtb"),
    (1, 3, 43, 60, 66, 67, *range(128, 136)), menu=_MENU, takes_a_lease=True, tries=10, try_seconds=4,
    block_size=1468, kernels=("kernel_2712.img", "kernel8.img"), stub="armstub8-2712.bin",
)  # fmt: skip
MODELS = (PI_3B, PI_3B_PLUS, PI_4B, PI_5)
_FOUR_CC = {"pi4": b"RPi4", "pi5": b"RPi5"}
_REVISIONS = {"pi3": 0xA02082, "pi3+": 0xA020D3, "pi4": 0xC03114, "pi5": 0xD04170}


@dataclass(frozen=True)
class Board:
    """One Pi."""

    model: Model
    mac: str
    serial: str

    @classmethod
    def numbered(cls, model: Model, number: int) -> Board:
        """A board whose MAC address and serial belong together as this generation's do."""
        if model.boot_code:  # the low 24 bits of the serial are the MAC's
            place = 2 * number + (model is PI_3B_PLUS)
            tail = f"{place * _SPREAD & 0xFFFFFF:06x}"
            return cls(model, f"b8:27:eb:{tail[:2]}:{tail[2:4]}:{tail[4:]}", f"5a{tail}")
        prefix = "dc:a6:32" if model is PI_4B else "2c:cf:67"
        serial = (
            f"10000000{0x9F000000 + number:08x}" if model is PI_4B else f"a1b2c3d4{0x7E000000 + number:08x}"
        )
        return cls(model, f"{prefix}:00:{number >> 8:02x}:{number & 255:02x}", serial)

    @property
    def hardware(self) -> bytes:
        return bytes.fromhex(self.mac.replace(":", ""))

    @property
    def short_serial(self) -> str:
        """What its folder is called: the last 8 digits."""
        return self.serial[-8:]

    @property
    def revision(self) -> int:
        return _REVISIONS[self.model.key]

    def machine_id(self, *, in_rom: bool = False) -> bytes:
        """Option 97. The Pi 3B's ROM says only that it is a Pi; a Pi 4's says model, MAC and serial."""
        if in_rom and self.model is PI_3B:
            return b"\0" + b"\x44" * 16
        serial = bytes.fromhex(self.short_serial)[::-1]
        if self.model.boot_code:
            return b"\0" + serial * 4
        four_cc = _FOUR_CC[self.model.key]
        return b"\0" + four_cc + struct.pack("<I", self.revision) + self.hardware[2:] + serial
