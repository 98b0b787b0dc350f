"""The waiting system on an emulated Raspberry Pi 3: unknown, approved over the API, told to restart."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.boots.pc import wait_until
from tests.system.boots.pi.boards import PI_3B, Board
from tests.system.boots.pi.machine import VirtualPi
from tests.system.instance import Instance

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]
BUILT_WITHIN_SECONDS = 90.0  # from Debian's packages, beside everything else that starts
CODE_WITHIN_SECONDS = 120.0
TOLD_WITHIN_SECONDS = 40.0
BOARD = Board.numbered(PI_3B, 77)
# What makes a kernel set whole for a Pi 3.
SET_FILES = (
    "bootcode.bin", "start.elf", "fixup.dat", "config.txt", "cmdline.txt", "kernel8.img", "initramfs8",
    "bcm2710-rpi-3-b.dtb",
)  # fmt: skip


@pytest.fixture
def pi(room: Instance, work: Path) -> Iterator[VirtualPi]:
    """A Pi that nobody knows, off, in a room that has a waiting system for it."""
    root = room.data_path / "tftp"
    wait_until("the waiting system", (root / "kernel8.img").exists, BUILT_WITHIN_SECONDS)
    made = VirtualPi(room, BOARD, work, 77)
    yield made
    made.power_off()


def unknown(room: Instance) -> dict[str, str]:
    """Its row among the devices that wait for approval."""
    rows = room.api("GET", "/api/v1/unknown-devices").json
    return next(row for row in rows if row["mac"] == BOARD.mac)


def give_kernel_set(room: Instance) -> None:
    """Upload the waiting system's own files as the default kernel set: something else to boot than it."""
    (system,) = (path for path in (room.data_path / "tftp/.waiting").iterdir() if path.name[0] != ".")
    bearer = f"Bearer {room.token}"
    for name in SET_FILES:
        path, data = f"/api/v1/kernel-sets/default/files/{name}", (system / name).read_bytes()
        answer = room.http("PUT", path, data, Authorization=bearer, Content_Type="application/octet-stream")
        assert answer.status == 201, f"{name}: {answer.text}"


def test_an_unknown_pi_shows_its_code_and_restarts_when_it_has_something_to_boot(
    room: Instance, pi: VirtualPi
) -> None:
    fetched = pi.power_on()
    assert fetched.prefix == "", "an unknown Pi is served from the common root"
    console = pi.wait_for("Code: ", CODE_WITHIN_SECONDS)
    row = unknown(room)
    assert f"Code: {row['code']}\n" in console
    assert f"Address: {BOARD.mac}\n" in console
    assert "Name: Raspberry Pi 3 Model B" in console
    assert row["serial"] == BOARD.short_serial

    assert room.api("POST", f"/api/v1/unknown-devices/{BOARD.mac}/approve", {"name": "pi-77"}).status == 200
    pi.wait_for("No disk is assigned to this device.", TOLD_WITHIN_SECONDS)
    give_kernel_set(room)
    console = pi.wait_for("Restarting with its kernel set default.", TOLD_WITHIN_SECONDS)
    assert f"Code: {row['code']}" in console
    wait_until("the restart", lambda: not pi.machine.is_on, TOLD_WITHIN_SECONDS)
    again = pi.power_on()
    assert again.prefix == f"{BOARD.short_serial}/", "its own tree"
    assert again.kernel == fetched.kernel
