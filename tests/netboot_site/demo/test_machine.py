"""The virtual PC's command line and its switches; a real one is booted in tests/system."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from netboot_site.demo.machine import Hardware, Machine
from netboot_site.demo.netns import Namespace
from netboot_site.errors import UnavailableError

MAC = "52:54:00:aa:bb:01"


def machine(folder: Path, **more: str) -> Machine:
    return Machine(Hardware(MAC, "nbtap0", **more), Namespace("nbtest"), folder)


def test_it_never_relies_on_hardware_virtualisation(tmp_path: Path) -> None:
    words = machine(tmp_path).argv()
    assert "q35,accel=tcg,graphics=off" in words
    assert not [word for word in words if "kvm" in word]


def test_its_card_has_the_mac_address_and_boots_first(tmp_path: Path) -> None:
    words = machine(tmp_path).argv()
    assert f"virtio-net-pci,netdev=wire,mac={MAC},bootindex=1" in words
    assert "tap,id=wire,ifname=nbtap0,script=no,downscript=no" in words


def test_only_the_uefi_pc_has_firmware_of_its_own(tmp_path: Path) -> None:
    assert not [word for word in machine(tmp_path).argv() if "pflash" in word]
    flash = [word for word in machine(tmp_path, firmware="uefi").argv() if "pflash" in word]
    assert len(flash) == 2
    assert "readonly=on" in flash[0]
    assert str(tmp_path) in flash[1]


def test_the_uefi_pc_asks_by_its_own_pxe_client_and_not_by_the_card_s_ipxe(tmp_path: Path) -> None:
    card = "virtio-net-pci,netdev=wire,"
    found = [word for word in machine(tmp_path, firmware="uefi").argv() if word.startswith(card)]
    assert [word.endswith(",romfile=") for word in found] == [True]


def test_a_pc_that_was_never_switched_on_has_an_empty_console(tmp_path: Path) -> None:
    assert machine(tmp_path).console() == ""
    assert not machine(tmp_path).is_on


def test_waiting_ends_with_the_last_lines_when_the_pc_is_off(tmp_path: Path) -> None:
    pc = machine(tmp_path)
    pc.console_path.write_bytes(b"first\r\nlast words\r\n")
    assert pc.wait_for("last words", timeout_seconds=0) == "first\nlast words\n"
    with pytest.raises(UnavailableError, match=r"has ended.*'online':\nfirst\nlast words"):
        pc.wait_for("online", timeout_seconds=5)


class Monitor:
    """Plays QEMU's monitor for one connection."""

    def __init__(self, path: Path, answers: list[dict[str, object]]) -> None:
        self.answers, self.heard = answers, list[dict[str, object]]()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        connection, _ = self.listener.accept()
        lines = connection.makefile("rw")
        print(json.dumps({"QMP": {}}), file=lines, flush=True)
        for answer in self.answers:
            self.heard.append(json.loads(lines.readline()))
            print(json.dumps({"event": "NIC_RX_FILTER_CHANGED"}), file=lines)
            print(json.dumps(answer), file=lines, flush=True)
        self.listener.close()


def test_a_key_is_pressed_over_the_monitor(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path / "qmp", [{"return": {}}, {"return": {}}])
    machine(tmp_path).press("m")
    monitor.thread.join(5)
    assert [request["execute"] for request in monitor.heard] == ["qmp_capabilities", "send-key"]
    assert monitor.heard[1]["arguments"] == {"keys": [{"type": "qcode", "data": "m"}]}


def test_what_the_monitor_refuses_is_told(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path / "qmp", [{"return": {}}, {"error": {"desc": "no such key"}}])
    with pytest.raises(UnavailableError, match="refuses send-key: no such key"):
        machine(tmp_path).press("nonsense")
    monitor.thread.join(5)
