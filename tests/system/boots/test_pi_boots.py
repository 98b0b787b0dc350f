"""One Raspberry Pi 3 from the unknown to its own disk and on: its boot ROM played, its processor emulated.

Its disk is laid out as Raspberry Pi OS is and comes as `.img.xz`; nothing in its initramfs can do iSCSI.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from netboot_site.formats import device_code
from tests.pi.image import BOOT_START_BYTES, pi_image_xz, read_root_file
from tests.pi.options import CMDLINE, PiImageOptions
from tests.system.boots.pc import disk_file, wait_until
from tests.system.boots.pi.boards import PI_3B, Board
from tests.system.boots.pi.machine import VirtualPi
from tests.system.boots.pi.place import PlayedPi
from tests.system.boots.pi.rom import Fetched
from tests.system.boots.pi.room import SERVER_MODE, boots, device, room
from tests.system.disks import Disk, sql
from tests.system.instance import Answer, Instance

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.real_tgtd,
    pytest.mark.real_qemu_storage,
    pytest.mark.real_dnsmasq,
    pytest.mark.slow,
    pytest.mark.timeout(900),  # two emulated boots, the first of them in a fixture
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]
IMAGE = "raspios"
BOARD = Board.numbered(PI_3B, 1)
UP = "pi-guest: root is"
LOGGED_OUT_WITHIN_SECONDS = 90  # tgtd finds out by its own pings that a machine's plug was pulled
SEEN = "sleep 8000"  # milliseconds; a shorter login ends between two looks of the worker
# What its shell and its packing are when nobody chose them; it goes on writing to its disk.
STOCK = PiImageOptions(shell="klibc", compression="lz4", cmdline=f"{CMDLINE} pi-guest.writer=2")
GAP_BYTES = 4 * 1024**2  # between the partition table and the boot partition nothing is kept


@dataclass
class Life:
    """The Pi, and what was seen of it."""

    room: Instance
    pi: VirtualPi
    unknown: dict[str, Any] = field(default_factory=dict)
    waiting_console: str = ""
    waiting: Fetched | None = None
    fetched: Fetched | None = None
    console: str = ""

    def api(self, method: str, path: str, body: Any = None) -> Answer:
        answer = self.room.api(method, path, body)
        assert answer.status < 300, f"{method} {path}: {answer.text}"
        return answer

    def image(self) -> dict[str, Any]:
        return dict(self.api("GET", f"/api/v1/images/{IMAGE}").json)

    def tree_is_ready(self) -> bool:
        tree = device(self.room, BOARD)["pi_tree"]
        return bool(tree) and tree["state"] == "ready"

    def is_free(self) -> bool:
        """Whether nobody is logged in to its disk, as far as anybody has noticed."""
        return sql(self.room, "select count(*) from images_session where ended_at is null") == ["0"]

    def play(self) -> Fetched:
        """Its boot ROM alone."""
        with PlayedPi(BOARD, self.room.wire) as pi:
            return pi.power_on()

    def play_with_check_in(self) -> Fetched:
        """Its boot ROM, then what its initramfs asks until it may log in."""
        with PlayedPi(BOARD, self.room.wire) as pi:
            fetched = pi.power_on()
            asked = count()
            told = lambda: pi.check_in(fetched.cmdline, next(asked)).startswith("action boot\n")  # noqa: E731
            wait_until("it is told to boot", told, 60)
        return fetched


@pytest.fixture(scope="module")
def life(work: Path) -> Iterator[Life]:
    (work / "pi-room").mkdir()
    with room(work / "pi-room", SERVER_MODE) as instance:
        lived = Life(instance, VirtualPi(instance, BOARD, work, 21))
        import_disk(lived)
        yield lived
        lived.pi.power_off()


def import_disk(life: Life) -> None:
    body = {"id": IMAGE, "name": "Raspberry Pi OS", "size_gb": 0.01, "device_type": "raspi"}
    life.api("POST", "/api/v1/images", body)
    sent = life.room.http(
        "PUT", f"/api/v1/images/{IMAGE}/content", pi_image_xz(STOCK).read_bytes(), timeout=120,
        Authorization=f"Bearer {life.room.token}",
    )  # fmt: skip
    assert sent.status == 202, sent.text
    wait_until("the disk is imported", lambda: life.image()["state"] == "ready", 60)


@pytest.fixture(scope="module")
def waited(life: Life) -> Life:
    """Unknown, it shows the waiting system; approved, it restarts."""
    wait_until("the waiting system is served", lambda: (tftp(life) / "start.elf").exists(), 60)
    life.waiting = life.pi.power_on()
    life.unknown = wait_until("it is among the unknown", lambda: unknown_row(life), 10)
    life.waiting_console = life.pi.wait_for(lambda text: device_code(BOARD.mac) in text)
    approve = {"name": "First Pi", "device_type": "raspi", "image_id": IMAGE}
    life.api("POST", f"/api/v1/unknown-devices/{BOARD.mac}/approve", approve)
    wait_until("it has restarted", lambda: not life.pi.machine.is_on, 90)
    return life


@pytest.fixture(scope="module")
def booted(waited: Life) -> Life:
    """Restarted, it boots its disk."""
    wait_until("its tree is ready", waited.tree_is_ready, 30)
    waited.fetched = waited.pi.power_on()
    waited.console = waited.pi.wait_for(UP)
    wait_until("its boot is told", lambda: boots(waited.room, BOARD)[0]["outcome"] == "ok", 40)
    return waited


def tftp(life: Life) -> Path:
    return life.room.data_path / "tftp"


def unknown_row(life: Life) -> dict[str, Any] | None:
    rows = life.api("GET", "/api/v1/unknown-devices").json
    return next((row for row in rows if row["mac"] == BOARD.mac), None)


def test_unknown_it_is_shown_with_what_its_firmware_says(waited: Life) -> None:
    unknown = waited.unknown
    assert unknown["device_type"] == "raspi"
    wait_until("its serial is learnt", lambda: device(waited.room, BOARD)["serial"], 20)
    assert device(waited.room, BOARD)["serial"] == BOARD.serial
    assert "Raspberry Pi 3" in device(waited.room, BOARD)["model"]


def test_unknown_it_gets_the_waiting_system_from_the_root(waited: Life) -> None:
    assert waited.waiting is not None
    assert waited.waiting.prefix == ""
    assert "iscsi" not in waited.waiting.cmdline
    for text in (BOARD.mac, device_code(BOARD.mac), "Approve it in the dashboard", "Name: Raspberry Pi 3"):
        assert text in waited.waiting_console


def test_approved_it_restarts_into_its_own_tree(booted: Life) -> None:
    assert booted.fetched is not None
    assert booted.fetched.prefix == f"{BOARD.short_serial}/"
    assert "boot=netboot" in booted.fetched.cmdline
    assert booted.fetched.initramfs != booted.waiting.initramfs if booted.waiting else False


def test_it_reaches_its_root_over_iscsi_and_has_left_its_mark_on_its_disk(booted: Life) -> None:
    assert "root is /dev/sda2" in booted.console
    marker = read_root_file(disk_file(booted.room, IMAGE), "/marker")
    assert marker.count("booted ") == 1, marker
    assert marker.split()[1] in booted.console, "the marker is not this boot's"


def last_record(console: str) -> int:
    """The number of the last record that the disk has acknowledged."""
    return max((int(number) for number in re.findall(r"pi-guest: record (\d+)", console)), default=0)


def test_it_writes_on_when_tgtd_was_killed_and_no_secret_was_said(booted: Life) -> None:
    booted.pi.wait_for("pi-guest: record 2")
    booted.room.kill("tgtd")
    written = last_record(booted.pi.machine.console())
    # One more may have been on its way.
    console = booted.pi.wait_for(lambda text: last_record(text) > written + 2)
    said = "".join(re.findall(r"netboot: .*", console))
    assert "netboot: " in console
    assert Disk.of(booted.room, BOARD.mac).secret not in said


def test_of_its_file_systems_only_this_disks_are_mounted(booted: Life) -> None:
    disk = disk_file(booted.room, IMAGE)
    seen = read_root_file(disk, "/fstab-seen")
    assert "/dev/sda1  /old-boot" in seen, "the SD card's line is not this disk's"
    assert "PARTUUID=6c586e13-01  /boot/firmware" in seen
    assert "/dev/mmcblk0p1  /old-boot" in read_root_file(disk, "/etc/fstab"), "the disk itself was changed"


def test_the_recorder_tells_each_stage_in_order(booted: Life) -> None:
    boot = boots(booted.room, BOARD)[0]
    reached = list(dict.fromkeys(event["stage"] for event in boot["events"]))
    first = [stage for stage in reached if stage in ("firmware", "tftp", "script", "iscsi", "os")]
    assert reached[0] == "dhcp", boot["events"]
    assert first == ["firmware", "tftp", "script", "iscsi", "os"], boot["events"]
    assert (boot["stage"], boot["outcome"]) == ("os", "ok")
    assert 0 < boot["own_seconds"] < 10, boot["events"]


def test_every_file_is_told_with_its_size(booted: Life) -> None:
    assert booted.fetched is not None
    events = boots(booted.room, BOARD)[0]["events"]
    told = {
        event["facts"]["file"]: event["facts"].get("bytes") for event in events if event["kind"] == "file"
    }
    read = {one.path: one.size_bytes for one in booted.fetched.transfers if one.outcome == "read"}
    assert {path: size for path, size in told.items() if path in read} == read


def test_a_kernel_that_an_update_put_on_its_disk_is_what_it_boots_next(booted: Life, tmp_path: Path) -> None:
    assert booted.fetched is not None
    booted.pi.power_off()
    wait_until("its disk is free", booted.is_free, LOGGED_OUT_WITHIN_SECONDS)
    update = booted.fetched.kernel + bytes(4096)  # what is behind the end is padding
    (tmp_path / "kernel8.img").write_bytes(update)
    disk = f"{disk_file(booted.room, IMAGE)}@@{BOOT_START_BYTES}"
    subprocess.run(
        ["mcopy", "-o", "-i", disk, tmp_path / "kernel8.img", "::kernel8.img"], check=True, timeout=60
    )
    Disk.of(booted.room, BOARD.mac).done("read 0 512", SEEN)  # somebody was logged in and is no more
    own = tftp(booted) / BOARD.short_serial / "kernel8.img"
    wait_until("the new kernel is served", lambda: own.exists() and own.stat().st_size == len(update), 60)
    assert booted.play().kernel == update


def test_as_an_overlay_it_boots_clean_and_with_its_new_secret(booted: Life) -> None:
    """What was written into its overlay before is gone, and its tree has the secret of its new export."""
    before = Disk.of(booted.room, BOARD.mac)
    publish_and_overlay(booted)
    disk = Disk.of(booted.room, BOARD.mac)
    assert disk.secret != before.secret
    disk.done(f"write -P 0x5a {GAP_BYTES} 4096", "flush", SEEN)
    wait_until("its disk is free", booted.is_free, LOGGED_OUT_WITHIN_SECONDS)
    wait_until("its tree is ready", booted.tree_is_ready, 60)
    told = booted.play_with_check_in()
    assert f"iscsi_password={disk.secret}" in told.cmdline
    assert told.cmdline.count("iscsi_password=") == 1
    disk.done(f"read -P 0 {GAP_BYTES} 4096")
    frozen = disk_file(booted.room, IMAGE)
    assert read_root_file(frozen, "/marker").count("booted ") == 1, "the version was written"


def publish_and_overlay(life: Life) -> None:
    life.api("POST", f"/api/v1/images/{IMAGE}/versions", {"comment": "as it is now"})
    wait_until("the version is frozen", lambda: life.image()["versions"][0]["state"] == "ready", 60)
    free = f"/api/v1/images/{IMAGE}/unassign?mac={BOARD.mac}"
    wait_until(
        "its disk is free", lambda: life.room.api("PUT", free).status == 200, LOGGED_OUT_WITHIN_SECONDS
    )
    life.api("PUT", f"/api/v1/images/{IMAGE}/assign?mac={BOARD.mac}&mode=overlay&persistence=reset")
    state = lambda: life.api("GET", f"/api/v1/devices/{BOARD.mac}/disk").json["state"]  # noqa: E731
    wait_until(f"its overlay is served: {state()}", lambda: state() == "ready", 60)


def test_disabled_it_has_no_tree_and_shows_the_waiting_system(booted: Life) -> None:
    life = booted
    life.api("PATCH", f"/api/v1/devices/{BOARD.mac}", {"enabled": False})
    names = (BOARD.short_serial, BOARD.mac.replace(":", "-"))
    wait_until("its tree is gone", lambda: not any((tftp(life) / name).exists() for name in names), 30)
    assert life.play().prefix == ""
