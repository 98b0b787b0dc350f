"""The flight recorder over a played Pi's firmware before a real dnsmasq: stages, files, who, and why."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from bootflow.models import Boot, BootEvent, LogPosition
from bootflow.recorder import sweep
from bootflow.recorder.neighbours import AddressBook
from bootflow.recorder.rounds import Recorder
from devices.models import Device
from tests.bootflow.recorder.test_recorder import read_all
from tests.bootflow.running import Running, network
from tests.system.boots.foreign import foreign_dhcp_server
from tests.system.boots.pi.boards import MODELS, PI_3B, PI_4B, PI_5, Board, Model
from tests.system.boots.pi.dhcp import RefusedError
from tests.system.boots.pi.lab import make_tree, served
from tests.system.boots.pi.place import PlayedPi, plugged, power_on_together
from tests.system.instance import Wire

pytestmark = [
    pytest.mark.real_dnsmasq,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.django_db,
]
IDS = [model.key for model in MODELS]
NAMES = {
    "pi3": "Raspberry Pi 3 Model B", "pi3+": "Raspberry Pi 3 Model B Plus",
    "pi4": "Raspberry Pi 4 Model B Rev 1.4", "pi5": "Raspberry Pi 5 Model B Rev 1.0",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(wire: Wire) -> Iterator[Running]:
    with served(wire, "server") as running:
        yield running


@pytest.fixture(scope="module", params=["server", "proxy"])
def mode(
    request: pytest.FixtureRequest, wire: Wire, server: Running, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    if request.param == "server":
        yield "server"
        return
    server.serve(network("proxy", wire.bridge))
    with foreign_dhcp_server(wire, tmp_path_factory.mktemp("foreign")):
        yield "proxy"


@pytest.fixture(autouse=True)
def _from_here_on(server: Running, db: None) -> None:
    """What the log tells of earlier tests is past: their addresses have other owners now."""
    status = server.log.stat()
    LogPosition.objects.create(source="dnsmasq", inode=status.st_ino, offset=status.st_size)


def record(server: Running, tmp_path: Path) -> None:
    """What the recorder's process does, as it would beside this dnsmasq."""
    book = AddressBook(tmp_path / "arp")
    read_all(Recorder(server.folder, server.folder / "tftp", book, clock=lambda: 0.0))
    sweep.judge_open_boots()


def keep_neighbours(wire: Wire, tmp_path: Path) -> None:
    """The server's neighbours, while the Pis are still plugged in."""
    words = ["ip", "netns", "exec", wire.namespace, "cat", "/proc/net/arp"]
    table = subprocess.run(words, check=True, capture_output=True, timeout=20).stdout
    (tmp_path / "arp").write_bytes(table)


def power_on(board: Board, wire: Wire, tmp_path: Path) -> str:
    """The firmware's own word for why it stopped; empty if it has its kernel."""
    with PlayedPi(board, wire) as pi:
        try:
            pi.power_on()
        except RefusedError as stop:
            return str(stop)
        finally:
            keep_neighbours(wire, tmp_path)
    return ""


def kinds(mac: str) -> set[tuple[str, str]]:
    return set(BootEvent.objects.filter(boot__mac=mac).values_list("stage", "kind"))


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_a_whole_firmware_is_one_boot_with_each_file_and_no_failure(
    model: Model, mode: str, wire: Wire, server: Running, tmp_path: Path
) -> None:
    board = Board.numbered(model, 21 if mode == "server" else 22)
    make_tree(server.folder / "tftp" / board.short_serial, board)
    assert power_on(board, wire, tmp_path) == ""
    record(server, tmp_path)
    boot = Boot.objects.get(mac=board.mac)
    assert (boot.stage, boot.outcome) == ("tftp", "")
    seen = kinds(board.mac)
    assert {(stage, kind) for stage, kind in seen if kind not in ("file", "file-probed")} <= {
        ("dhcp", "discover"), ("dhcp", "address"), ("dhcp", "proxy"),
    }  # fmt: skip
    files = {e.facts["file"].rpartition("/")[2]: e for e in boot.events.filter(kind="file")}
    assert {"config.txt", "cmdline.txt", "kernel8.img", "initramfs8", model.device_trees[0]} <= set(files)
    assert (files["kernel8.img"].stage, files["kernel8.img"].facts["bytes"]) == ("tftp", 90_000)
    assert all(event.facts["seconds"] >= 0 for event in files.values())


@pytest.mark.parametrize("model", MODELS, ids=IDS)
def test_an_unknown_pi_is_found_with_its_model_and_serial(
    model: Model, mode: str, wire: Wire, server: Running, tmp_path: Path
) -> None:
    board = Board.numbered(model, 23 if mode == "server" else 24)
    assert power_on(board, wire, tmp_path) != ""
    record(server, tmp_path)
    found = Device.objects.get(mac=board.mac)
    assert (found.state, found.device_type, found.serial) == ("discovered", "raspi", board.short_serial)
    assert found.facts["model"] == NAMES[model.key]


@pytest.mark.parametrize("model", [PI_3B, PI_4B, PI_5], ids=["pi3", "pi4", "pi5"])
@pytest.mark.parametrize("lacks", ["config.txt", "tree", "kernel8.img", "initramfs8"])
def test_a_firmware_that_stops_is_told_with_the_file_that_it_lacked(
    model: Model, lacks: str, wire: Wire, server: Running, tmp_path: Path
) -> None:
    server.serve(network("server", wire.bridge))
    board = Board.numbered(model, 30 + ["config.txt", "tree", "kernel8.img", "initramfs8"].index(lacks))
    folder = server.folder / "tftp" / board.short_serial
    make_tree(folder, board)
    name = model.device_trees[0] if lacks == "tree" else lacks
    for file in model.device_trees if lacks == "tree" else (lacks,):
        (folder / file).unlink(missing_ok=True)
    if lacks != "config.txt":
        (folder / "config.txt").write_text("arm_64bit=1\ninitramfs initramfs8 followkernel\n")
    stopped = power_on(board, wire, tmp_path)
    record(server, tmp_path)
    Boot.objects.update(last_event_at=timezone.now() - timedelta(minutes=5))
    for event in BootEvent.objects.all():
        event.at -= timedelta(minutes=5)
        event.save()
    sweep.judge_open_boots()
    boot = Boot.objects.get(mac=board.mac)
    if stopped:
        told = [(event.at, event.kind, event.detail) for event in boot.events.all()]
        assert boot.outcome == "failed", told
        assert name in boot.reason
        assert "not there" in boot.reason
    else:
        assert lacks == "config.txt", "a Pi up to the 4 goes on without it"


def test_thirty_at_once_are_kept_apart(wire: Wire, server: Running, tmp_path: Path) -> None:
    server.serve(network("server", wire.bridge))
    boards = [Board.numbered(MODELS[1 + n % 3], 300 + n) for n in range(30)]
    for board in boards:
        make_tree(server.folder / "tftp" / board.short_serial, board)
    with plugged(PlayedPi(board, wire) for board in boards) as pis:
        power_on_together(pis)
        keep_neighbours(wire, tmp_path)
    record(server, tmp_path)
    found = dict(Device.objects.values_list("mac", "serial"))
    assert found == {board.mac: board.short_serial for board in boards}
    assert Boot.objects.filter(stage="tftp").count() == 30
    assert list(BootEvent.objects.filter(kind="file-missing").values_list("detail", flat=True)) == []
