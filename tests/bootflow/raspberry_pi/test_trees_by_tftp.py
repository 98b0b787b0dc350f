"""A tree fetched from a real dnsmasq, and that nothing outside the TFTP root can be."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bootflow.raspberry_pi.keeping import TreeKeeper
from bootflow.services import update_profile
from devices.models import Device
from images.models import Export, Image
from tests.bootflow.dhcp_lab import SERVER, Lab, fetch, inside, lab, real_dnsmasq_is_here
from tests.bootflow.raspberry_pi.conftest import MAC, PLACE, SERIAL, STOCK_FILES, give, no_waiting_system
from tests.bootflow.running import Running, network, running_dnsmasq

pytestmark = [
    pytest.mark.real_dnsmasq,
    pytest.mark.skipif(not real_dnsmasq_is_here(), reason="dnsmasq with a namespace of its own needs root"),
]
# What a Pi 3 asks for, in its order.
ORDER = (
    "bootcode.bin", f"{SERIAL}/start.elf", f"{SERIAL}/config.txt", f"{SERIAL}/fixup.dat",
    f"{SERIAL}/bcm2710-rpi-3-b.dtb", f"{SERIAL}/overlays/vc4-kms-v3d.dtbo", f"{SERIAL}/cmdline.txt",
    f"{SERIAL}/kernel8.img", f"{SERIAL}/initramfs8",
)  # fmt: skip


@pytest.fixture(scope="module")
def wire() -> Iterator[Lab]:
    with lab() as made:
        yield made


@pytest.fixture(scope="module")
def dnsmasq(wire: Lab) -> Iterator[Running]:
    with running_dnsmasq(wire, network("server")) as made:
        (made.folder / "outside").write_text("outside")
        yield made


@pytest.fixture
def served(dnsmasq: Running, db: None) -> Iterator[TreeKeeper]:
    """Trees below the root that dnsmasq serves; what root makes there is given to the service's user."""
    yield TreeKeeper(dnsmasq.folder / "tftp", PLACE, no_waiting_system)
    for name in (".store", ".sets", ".trees"):
        shutil.rmtree(dnsmasq.folder / "tftp" / name, ignore_errors=True)


def make(served: TreeKeeper) -> None:
    served.round()
    for path in [served.folder.root, *served.folder.root.rglob("*")]:
        shutil.chown(path, "netboot", "netboot") if not path.is_symlink() else os.lchown(path, 0, 0)


def ask(wire: Lab, path: str) -> bytes:
    return fetch(wire.client, path)


def test_a_pi_fetches_its_tree_in_its_order(
    wire: Lab, served: TreeKeeper, make_pi: Callable[..., Device], make_image: Callable[..., Image]
) -> None:
    export: Export = give(make_image(), make_pi(MAC, SERIAL))
    make(served)
    came = {path: ask(wire, path) for path in ORDER}
    assert [path for path, data in came.items() if not data] == []
    assert came[f"{SERIAL}/kernel8.img"] == STOCK_FILES["kernel8.img"]
    assert came["bootcode.bin"] == STOCK_FILES["bootcode.bin"]
    assert f"iscsi_password={export.chap_secret}".encode() in came[f"{SERIAL}/cmdline.txt"]
    assert b"arm_64bit=1\n" in came[f"{SERIAL}/config.txt"]
    assert ask(wire, "b8-27-eb-6c-4c-16/kernel8.img") == STOCK_FILES["kernel8.img"]
    assert [ask(wire, f"{SERIAL}/{name}") for name in ("recovery.bin", "pieeprom.upd", "vl805.sig")] == [
        b""
    ] * 3


def test_a_disabled_pi_fetches_nothing_more(
    wire: Lab, served: TreeKeeper, make_pi: Callable[..., Device], make_image: Callable[..., Image]
) -> None:
    pi = make_pi(MAC, SERIAL)
    give(make_image(), pi)
    make(served)
    tree = (served.folder.root / SERIAL).readlink()
    assert ask(wire, f"{tree}/cmdline.txt")
    update_profile(device=pi, enabled=False)
    make(served)
    for folder in (SERIAL, "b8-27-eb-6c-4c-16", tree):
        assert ask(wire, f"{folder}/cmdline.txt") == b"", folder
        assert ask(wire, f"{folder}/kernel8.img") == b"", folder


def hostile_paths(root: Path) -> list[str]:
    ups = "../" * 12
    return [
        "../outside", f"{SERIAL}/../../outside", f"{ups}etc/passwd", "/etc/passwd", "//etc/passwd",
        f"{SERIAL}/{ups}etc/passwd", str(root.parent / "outside"), f"{root}/../outside", "..\\outside",
        f"{SERIAL}/overlays/../../../../outside", ".store", ".trees", SERIAL, f"{SERIAL}/", "", ".", "..",
        "a" * 500, f"{SERIAL}/{'a/' * 240}x", f"{SERIAL}/{'../' * 160}etc/passwd", "%2e%2e/outside",
        "\x01\x7f", "${x}", f"{SERIAL}/kernel8.img/x", f"{SERIAL}//../../outside",
    ]  # fmt: skip


def test_no_path_leads_out_of_the_root(
    wire: Lab, dnsmasq: Running, served: TreeKeeper, make_pi: Callable[..., Device],
    make_image: Callable[..., Image],
) -> None:  # fmt: skip
    give(make_image(), make_pi(MAC, SERIAL))
    make(served)
    came = {path: ask(wire, path) for path in hostile_paths(served.folder.root)}
    assert {path: data[:40] for path, data in came.items() if data} == {}
    assert ask(wire, f"{SERIAL}/kernel8.img"), "dnsmasq is still at work"


def test_a_pi_that_looks_for_a_file_by_its_first_block_gets_it_again(
    wire: Lab, served: TreeKeeper, make_pi: Callable[..., Device], make_image: Callable[..., Image]
) -> None:
    give(make_image(), make_pi(MAC, SERIAL))
    make(served)
    assert len(fetch(wire.client, f"{SERIAL}/kernel8.img", blocks=1)) == 512
    assert ask(wire, f"{SERIAL}/kernel8.img") == STOCK_FILES["kernel8.img"]


def test_a_file_that_is_not_there_is_denied_at_once(wire: Lab, served: TreeKeeper) -> None:
    make(served)
    with inside(wire.client, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as wire_socket:
        wire_socket.settimeout(3)
        wire_socket.sendto(b"\0\1b66c4c16/start.elf\0octet\0", (SERVER, 69))
        assert wire_socket.recv(600)[:4] == b"\0\5\0\1"  # RFC 1350: ERROR, file not found
