"""One PC, one boot after the other: once the menu, as planned, disabled, and a disk that is not ready yet.

It has no local disk, so whenever it is sent there its firmware starts again and asks anew.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.boots.pc import UP, Pc, make_image, wait_until
from tests.system.disks import hang_up
from tests.system.instance import Instance

pytestmark = [pytest.mark.qemu, pytest.mark.real_tgtd, pytest.mark.real_dnsmasq, pytest.mark.slow]


@pytest.fixture(scope="module")
def pc(room: Instance, work: Path) -> Iterator[Pc]:
    make_image(room, "second", work)
    made = Pc.plug(room, work, 2)
    made.register("second")
    yield made
    made.machine.power_off()


def choose_once(pc: Pc, action: str) -> None:
    answer = pc.instance.api("PUT", f"/api/v1/devices/{pc.mac}/boot-once", {"action": action})
    assert answer.status == 200, answer.text


def test_once_the_menu_is_shown_and_not_spent_by_asking(pc: Pc) -> None:
    choose_once(pc, "menu")
    asked = pc.instance.http("GET", f"/boot/script?mac={pc.mac}", port=8080)
    assert "choose --default" in asked.text
    pc.machine.power_on()
    pc.wait_for("Boot from the local disk", 60)
    assert pc.device()["boot_once"] == "menu"


def test_once_seen_it_is_spent_and_the_next_boot_goes_as_planned(pc: Pc) -> None:
    pc.machine.press("ret")
    pc.wait_for(UP)
    assert pc.device()["boot_once"] is None
    assert [boot["outcome"] for boot in pc.boots()][1] in ("local", "menu")
    pc.finished_boot("ok")


def test_disabled_it_is_sent_to_its_local_disk_and_told_why(pc: Pc) -> None:
    change = pc.instance.api("PATCH", f"/api/v1/devices/{pc.mac}", {"enabled": False})
    assert change.status == 200, change.text
    before = pc.machine.console().count("is disabled")
    pc.machine.reset()
    pc.machine.wait_for(lambda text: text.count("is disabled") > before, timeout_seconds=60)
    hang_up(pc.instance, f"device.{pc.mac.replace(':', '')}")
    boot = pc.finished_boot("local")
    assert "disabled" in boot["reason"]


def test_a_disk_that_is_not_ready_is_waited_for(pc: Pc) -> None:
    instance = pc.instance
    free = f"/api/v1/images/second/unassign?mac={pc.mac}"
    wait_until("its disk is free", lambda: instance.api("PUT", free).status == 200, 60)
    wait_until("its target is gone", lambda: "second" not in targets(instance), 20)
    instance.kill("worker-storage", signal.SIGSTOP)
    try:
        instance.api("PUT", f"/api/v1/images/second/assign?mac={pc.mac}")
        instance.api("PATCH", f"/api/v1/devices/{pc.mac}", {"enabled": True})
        pc.wait_for("Disk second: Its disk is being made ready.", 60)
    finally:
        instance.kill("worker-storage", signal.SIGCONT)
    ups = pc.machine.console().count(UP)
    pc.machine.wait_for(lambda text: text.count(UP) > ups, timeout_seconds=90)
    assert pc.finished_boot("ok")["stage"] == "os"


def targets(instance: Instance) -> str:
    image = instance.api("GET", "/api/v1/images/second").json
    return "second" if image["assigned_to"] else ""
