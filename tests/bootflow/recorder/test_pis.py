"""Raspberry Pis that boot: unknown ones become rows within a round, and nobody's identity is rewritten."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bootflow.models import Boot
from bootflow.raspberry_pi.machine_id import EEPROM, ROM, ROM_PLUS
from bootflow.recorder import pis, sweep
from bootflow.recorder.judge_pi import COMES_BACK, RESTARTED
from devices.models import Device
from tests.bootflow.recorder.lines import PC, PI
from tests.bootflow.recorder.test_sweep import DISK, boot, event
from tests.conftest import Api

pytestmark = pytest.mark.django_db
PI3 = "b8:27:eb:64:24:7d"
FIRMWARE = {"client": "rpi", "bootloader": EEPROM, "board_revision": "d03114"}


def pi_boot(mac: str = PI, seconds_ago: float = 5, **facts: Any) -> Boot:
    one = boot(seconds_ago, mac)
    event(one, "discover", **{**FIRMWARE, **facts})
    return one


def asks(one: Boot, serial: str, name: str = "start4.elf", after: float = 1) -> None:
    event(
        one, "file-missing", "firmware", after, file=f"{serial}/{name}", role="firmware", serial_asked=serial
    )


def device() -> Device:
    sweep.judge_open_boots()
    return Device.objects.get()


def test_a_pi_that_only_speaks_dhcp_is_a_discovered_device_with_its_model() -> None:
    pi_boot()
    event(boot(5, PC), "discover", client="pxe")
    found = device()
    sweep.judge_open_boots()
    assert (found.mac, found.device_type, found.state, found.firmware) == (
        PI, "raspi", "discovered", "raspberry-pi",
    )  # fmt: skip
    assert found.facts == {
        "model": "Raspberry Pi 4 Model B Rev 1.4", "product": "Raspberry Pi 4 Model B Rev 1.4",
        "family": "Raspberry Pi 4", "board_revision": "d03114", "memory_mib": 8192, "bootloader": EEPROM,
    }  # fmt: skip


def test_its_serial_follows_from_the_folder_that_it_asks_for() -> None:
    one = pi_boot()
    assert device().serial == ""
    asks(one, "9ffefdef")
    assert device().serial == "9ffefdef"


def test_a_pi_3_b_plus_tells_its_serial_with_its_first_packet() -> None:
    pi_boot(PI3, bootloader=ROM_PLUS, board_revision="", serial="5564247d")
    found = device()
    assert (found.serial, found.facts["model"]) == ("5564247d", "Raspberry Pi 3 Model B Plus")


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("bcm2710-rpi-2-b.dtb", "Raspberry Pi 2 Model B"),
        ("bcm2710-rpi-3-b.dtb", "Raspberry Pi 3 Model B"),
        ("bcm2710-rpi-3-b-plus.dtb", "Raspberry Pi 3 Model B Plus"),
        ("bcm2711-rpi-400.dtb", "Raspberry Pi 400"),
        ("start4.elf", "Raspberry Pi 4"),
        ("kernel_2712.img", "Raspberry Pi 5"),
        ("bootsig.bin", "Raspberry Pi 3"),
    ],
)
def test_a_pi_that_says_nothing_of_its_board_is_known_by_the_files_that_it_asks_for(
    name: str, model: str
) -> None:
    one = pi_boot(bootloader="", board_revision="")
    asks(one, "9ffefdef", name)
    assert device().facts["model"] == model


def test_the_rom_of_a_pi_3_names_its_usual_board_until_the_device_tree_says_more() -> None:
    one = pi_boot(PI3, bootloader=ROM, board_revision="")
    assert device().facts["model"] == "Raspberry Pi 3 Model B"
    asks(one, "5564247d", "bcm2710-rpi-2-b.dtb")
    found = device()
    assert (found.facts["model"], found.serial) == ("Raspberry Pi 2 Model B", "5564247d")


def test_a_folder_that_cannot_be_a_pi_3s_own_is_shown_and_not_believed() -> None:
    one = pi_boot(PI3, bootloader=ROM, board_revision="")
    asks(one, "9ffefdef")
    found = device()
    assert (found.serial, found.facts["serial_seen"]) == ("", "9ffefdef")


def enrolled(serial: str = "", mac: str = PI, **changes: Any) -> Device:
    given = {"name": "pi", "device_type": "raspi", "serial": serial, **changes}
    return Device.objects.create(mac=mac, **given)


def test_an_enrolled_pi_without_a_serial_learns_it_and_stays_enrolled() -> None:
    enrolled()
    asks(pi_boot(), "9ffefdef")
    found = device()
    assert (found.state, found.serial, found.facts["model"]) == (
        "enrolled", "9ffefdef", "Raspberry Pi 4 Model B Rev 1.4",
    )  # fmt: skip


@pytest.mark.parametrize("serial", ["11112222", "1000000011112222"])
def test_a_serial_that_is_known_is_not_rewritten_and_the_contradiction_is_noted(serial: str) -> None:
    enrolled(serial)
    asks(pi_boot(), "9ffefdef")
    found = device()
    assert (found.serial, found.facts["serial_seen"]) == (serial, "9ffefdef")


def test_a_contradiction_is_forgotten_once_the_pi_asks_for_its_own_folder_again() -> None:
    enrolled("1000000011112222", facts={"serial_seen": "9ffefdef"})
    asks(pi_boot(), "11112222")
    found = device()
    assert (found.serial, "serial_seen" in found.facts) == ("1000000011112222", False)


def test_a_stranger_cannot_take_an_enrolled_pis_serial() -> None:
    enrolled("9ffefdef", "dc:a6:32:00:00:99")
    enrolled()
    asks(pi_boot(), "9ffefdef")
    sweep.judge_open_boots()
    found = Device.objects.get(mac=PI)
    assert (found.serial, found.facts["serial_seen"]) == ("", "9ffefdef")


def test_two_unknown_pis_with_one_serial_are_both_shown_with_it() -> None:
    for mac in (PI, "dc:a6:32:00:00:99"):
        asks(pi_boot(mac), "9ffefdef")
    sweep.judge_open_boots()
    assert set(Device.objects.values_list("serial", flat=True)) == {"9ffefdef"}


def test_another_board_at_an_enrolled_devices_address_does_not_change_its_model() -> None:
    enrolled("9ffefdef", facts={"model": "Raspberry Pi 5 Model B Rev 1.0", "board_revision": "d04170"})
    pi_boot()
    found = device()
    assert (found.facts["model"], found.facts["board_revision"]) == (
        "Raspberry Pi 5 Model B Rev 1.0", "d04170",
    )  # fmt: skip


def test_a_model_that_was_guessed_from_files_is_made_exact() -> None:
    enrolled("9ffefdef", facts={"model": "Raspberry Pi 4", "board_revision": ""})
    pi_boot()
    assert device().facts["model"] == "Raspberry Pi 4 Model B Rev 1.4"


@pytest.mark.parametrize("state", ["enrolled", "disabled"])
def test_a_pc_that_is_registered_stays_a_pc_whatever_is_asked_in_its_name(state: str) -> None:
    enrolled(device_type="x64", state=state)
    asks(pi_boot(), "9ffefdef")
    found = device()
    assert (found.device_type, found.serial, found.facts) == ("x64", "", {})


def test_an_unknown_pc_that_asks_for_a_pis_files_is_no_pi() -> None:
    one = boot(5, PC)
    event(one, "discover", client="pxe")
    asks(one, "9ffefdef")
    sweep.judge_open_boots()
    assert not Device.objects.exists()


def test_a_pi_with_a_fixed_address_that_asks_without_dhcp_is_found_by_its_files() -> None:
    asks(boot(5, PI, stage="firmware"), "9ffefdef", after=0)
    found = device()
    assert (found.mac, found.serial) == (PI, "9ffefdef")


def test_a_hostile_wire_makes_no_more_rows_than_the_bound(monkeypatch: Any) -> None:
    monkeypatch.setattr(pis, "DISCOVERED_LIMIT", 5)
    chance = random.Random(1)
    for _ in range(20):
        mac = "dc:a6:32:" + ":".join(f"{chance.randrange(256):02x}" for _ in range(3))
        asks(pi_boot(mac), f"{chance.randrange(2**32):08x}")
    sweep.judge_open_boots()
    assert Device.objects.count() == 5


def test_a_row_that_was_dropped_does_not_come_back_while_the_pi_is_silent() -> None:
    pi_boot(seconds_ago=120)
    sweep.judge_open_boots()
    assert not Device.objects.exists()


def test_when_it_was_last_seen_is_kept() -> None:
    enrolled(last_seen_at=timezone.now() - timedelta(days=3))
    one = pi_boot()
    assert device().last_seen_at == one.last_event_at


def test_a_round_that_learns_nothing_writes_nothing() -> None:
    asks(pi_boot(), "9ffefdef")
    before = device().updated_at
    assert device().updated_at == before


def test_over_rest_an_unknown_pi_has_model_serial_and_revision(api: Api) -> None:
    asks(pi_boot(), "9ffefdef")
    sweep.judge_open_boots()
    [row] = api.get("/api/v1/unknown-devices").json()
    assert (row["mac"], row["serial"], row["device_type"]) == (PI, "9ffefdef", "raspi")
    assert (row["facts"]["model"], row["facts"]["board_revision"]) == (
        "Raspberry Pi 4 Model B Rev 1.4", "d03114",
    )  # fmt: skip


def test_an_approved_pi_keeps_its_serial_and_is_named_by_its_model(api: Api) -> None:
    asks(pi_boot(), "9ffefdef")
    sweep.judge_open_boots()
    approved = api.post(f"/api/v1/unknown-devices/{PI}/approve").json()
    assert approved["serial"] == "9ffefdef"
    assert approved["name"].startswith("Raspberry Pi 4 Model B Rev 1.4")


def restarted(seconds_ago: float) -> Boot:
    """A boot of the waiting system that is told to restart."""
    tree = {"state": "ready", "why": "", "missing": []}
    plan = {"state": "enrolled", "name": "pi", "device_type": "raspi", "tree": tree, "disk": DISK}
    one = pi_boot(seconds_ago=seconds_ago)
    event(one, "script", "script", 10, system="waiting", plan=plan)
    sweep.judge_open_boots()
    one.refresh_from_db()
    return one


def test_a_waiting_system_that_is_told_to_restart_ends_well_and_the_pis_next_boot_is_a_new_one() -> None:
    one = restarted(60)
    assert (one.outcome, one.reason) == ("ok", RESTARTED)
    assert one.finished_at is not None


def test_one_that_comes_back_again_and_again_has_failed_and_says_why() -> None:
    assert restarted(300).reason == RESTARTED
    for seconds_ago in (200, 100):
        again = restarted(seconds_ago)
        assert (again.outcome, again.reason) == ("failed", COMES_BACK)


def test_one_that_restarted_an_hour_ago_has_not_come_back() -> None:
    restarted(4000)
    assert restarted(60).outcome == "ok"
