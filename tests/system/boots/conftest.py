"""A room with an orchestrator that is its DHCP server, and a PC in it that was unknown a minute ago."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from netboot_site.demo.disk import GuestOptions
from tests.system.boots.pc import UP, Pc, make_image, wait_until
from tests.system.instance import Instance, Wire

SERVER_MODE = {"DHCP_MODE": "server", "DHCP_RANGE": "10.66.0.100,10.66.0.150"}
WRITER = GuestOptions(writer_interval_seconds=0.4)


@pytest.fixture(scope="package")
def work() -> Iterator[Path]:
    """A folder as `mktemp -d` makes it."""
    path = Path(tempfile.mkdtemp(prefix="nb-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="package")
def room(work: Path) -> Iterator[Instance]:
    """An orchestrator in server mode, shared by every boot that needs no other mode."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with Wire.create() as wire, Instance(wire, work / "room", SERVER_MODE) as instance:
        yield instance


@dataclass
class FirstBoot:
    """A PC that was unknown, and what was seen until it ran from its disk."""

    pc: Pc
    image: str
    unknown: dict[str, Any]
    waiting_console: str
    console: str
    boot: dict[str, Any]
    approved_to_up_seconds: float


@pytest.fixture(scope="package")
def first_boot(room: Instance, work: Path) -> Iterator[FirstBoot]:
    """An unknown BIOS PC that was approved while it waited; it stays on and writes to its disk."""
    make_image(room, "first", work, WRITER)
    pc = Pc.plug(room, work, 1)
    pc.machine.power_on()
    try:
        unknown = wait_until("the PC is among the unknown devices", pc.unknown, 90)
        waiting = pc.wait_for("Asking again every", 30)
        body = {"name": "First PC", "device_type": "x64", "image_id": "first"}
        approved = room.api("POST", f"/api/v1/unknown-devices/{pc.mac}/approve", body)
        assert approved.status == 200, approved.text
        began = monotonic()
        console = pc.wait_for(UP)
        seconds = monotonic() - began
        yield FirstBoot(pc, "first", unknown, waiting, console, pc.finished_boot("ok"), seconds)
    finally:
        pc.machine.power_off()
