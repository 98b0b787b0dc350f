"""Logins at a target server: loader, operating system, and those that are no boot."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bootflow.models import Boot, BootEvent
from bootflow.recorder import sweep
from bootflow.recorder.sessions import SETTLES_AFTER, mac_of, settle, write_sessions
from tests.bootflow.recorder.test_sweep import NAME, boot, event, login

pytestmark = pytest.mark.django_db


def look(seconds_ago: float = 600) -> None:
    write_sessions(timezone.now() - timedelta(seconds=seconds_ago))


def told(one: Boot) -> list[tuple[str, str, str]]:
    return list(one.events.exclude(stage="script").values_list("stage", "kind", "detail"))


def booting(seconds_ago: float = 60) -> Boot:
    one = boot(seconds_ago)
    event(one, "script", "script", 1)
    return one


def ended(seconds_ago: float) -> Any:
    return timezone.now() - timedelta(seconds=seconds_ago)


LOADER = ("iscsi", "login", "The loader logged in to its disk debian.")
SYSTEM = ("os", "takeover", "The operating system took over its disk debian.")
OUT = ("iscsi", "logout", "Logged out from its disk debian.")


def test_the_loader_then_the_system_in_the_order_of_their_logins() -> None:
    one = booting()
    login(20, "2")
    login(40, "1", ended_at=ended(21))
    look()
    assert told(one) == [LOADER, OUT, SYSTEM]
    one.refresh_from_db()
    assert one.stage == "os"
    assert {e.facts["address"] for e in one.events.exclude(stage="script")} == {"10.66.0.100"}


def test_both_logins_seen_in_one_look_or_in_two_are_told_alike() -> None:
    one = booting()
    login(40, "1")
    look()
    assert told(one) == [LOADER]
    login(20, "2")
    look()
    look()
    assert told(one) == [LOADER, SYSTEM]


def test_a_system_whose_loader_was_missed_is_taken_for_the_loader_and_mends_when_it_says_it_is_up() -> None:
    """The loader's login may fall between two looks of the storage worker; `online` still ends the boot."""
    one = booting()
    login(20, "2")
    look()
    assert told(one) == [LOADER]
    event(one, "online", "os", 50)
    sweep.judge_open_boots()
    one.refresh_from_db()
    assert (one.stage, one.outcome) == ("os", "ok")


def test_a_restart_of_the_target_server_under_a_running_system_is_no_new_boot() -> None:
    one = boot(900, stage="os", outcome="ok", finished_at=timezone.now() - timedelta(seconds=800))
    event(one, "takeover", "os", 60, session=1)
    first = login(300, "1")
    look(600)
    first.ended_at = ended(100)
    first.save()
    login(95, "2")
    for _ in range(4):
        look(600)
    assert Boot.objects.count() == 1
    assert [kind for _, kind, _ in told(one)] == ["takeover", "login-again", "logout"]
    assert one.events.get(kind="login-again").facts["count"] == 2
    one.refresh_from_db()
    assert (one.outcome, one.stage) == ("ok", "os")


def test_a_login_from_before_the_boots_end_is_not_told_as_one_after_it() -> None:
    boot(900, stage="os", outcome="ok", finished_at=timezone.now() - timedelta(seconds=10))
    login(60, "1")
    look(600)
    assert not BootEvent.objects.exists()


def test_a_login_of_a_machine_without_any_boot_leaves_no_row() -> None:
    login(5)
    look()
    assert not Boot.objects.exists()


def test_what_began_before_the_look_is_left_out_but_its_end_is_told() -> None:
    one = booting()
    session = login(50)
    look(55)
    session.ended_at = timezone.now()
    session.save()
    look(10)
    assert told(one) == [LOADER, OUT]
    other = login(45, "2")
    look(10)
    assert BootEvent.objects.filter(facts__session=other.pk).count() == 0


def test_a_log_out_whose_login_was_never_told_is_not_told_either() -> None:
    booting()
    login(500, ended_at=timezone.now())
    look(60)
    assert not BootEvent.objects.filter(kind="logout").exists()


@pytest.mark.parametrize("name", ["iqn.1993-08.org.debian:01:abc", f"{NAME}0", ""])
def test_a_strangers_login_belongs_to_no_boot(name: str) -> None:
    one = booting()
    session = login(20)
    session.initiator_name = name
    session.save()
    look()
    assert mac_of(name) == ""
    assert told(one) == []


def test_a_disk_whose_image_is_gone_is_named_by_its_target() -> None:
    one = booting()
    session = login(20)
    session.image = None
    session.save()
    look()
    assert told(one) == [("iscsi", "login", "The loader logged in to its disk iqn.x:debian.")]


def pi_booting(seconds_ago: float = 60, system: str = "") -> Boot:
    one = boot(seconds_ago)
    event(one, "discover", client="rpi")
    event(one, "file", "tftp", 1, file="9ffefdef/kernel8.img", role="kernel")
    if system:
        event(one, "script", "script", 2, system=system)
    return one


def ending(one: Boot) -> tuple[str, str]:
    """How a boot stands after the next round."""
    settle()
    sweep.judge_open_boots()
    one.refresh_from_db()
    return one.stage, one.outcome


def test_a_pis_initramfs_logs_in_and_its_system_goes_on_with_that_session() -> None:
    one = pi_booting()
    login(SETTLES_AFTER.total_seconds() - 10)
    look()
    assert told(one)[-1] == ("iscsi", "login", "The initramfs logged in to its disk debian.")
    assert ending(one) == ("iscsi", "")


def test_a_pi_whose_session_lives_on_is_taken_to_run_its_system() -> None:
    one = pi_booting()
    login(SETTLES_AFTER.total_seconds() + 1)
    look()
    assert ending(one) == ("os", "ok")
    assert told(one)[-1] == (
        "os", "settled", "Its disk debian has stayed in use for 30 s: its operating system is taken to run.",
    )  # fmt: skip


def test_a_pi_whose_session_has_ended_does_not_run_its_system() -> None:
    one = pi_booting(300)
    login(250, ended_at=ended(200))
    look()
    assert ending(one) == ("iscsi", "failed")
    assert one.reason.startswith("its initramfs logged in to its disk and the session ended before")


def test_an_initramfs_of_ours_says_itself_when_it_has_its_root() -> None:
    one = pi_booting(300, "initramfs")
    login(250)
    look()
    assert ending(one) == ("iscsi", "failed")
    assert "no operating system was seen within 180 s" in one.reason
    event(one, "online", "os", 290, at="root")
    assert ending(one) == ("os", "ok")


def test_a_login_that_is_seen_after_the_pi_said_that_its_root_is_there_is_told_in_its_place() -> None:
    one = pi_booting(60, "initramfs")
    event(one, "online", "os", 50, at="root")
    assert ending(one) == ("os", "ok")
    login(20)
    look()
    look()
    assert list(one.events.values_list("stage", "kind"))[-2:] == [("iscsi", "login"), ("os", "online")]
    assert ending(one) == ("os", "ok")


def test_a_pi_whose_system_logs_in_anew_has_been_taken_over() -> None:
    one = pi_booting(60, "initramfs")
    login(40, "1", ended_at=ended(21))
    login(20, "2")
    look()
    assert ending(one) == ("os", "ok")
    assert told(one)[-1] == SYSTEM


def test_a_pcs_loader_that_stays_logged_in_is_no_operating_system() -> None:
    one = booting(300)
    login(250)
    look()
    assert ending(one) == ("iscsi", "failed")


def test_ipxe_on_a_pi_with_uefi_firmware_is_a_loader_and_no_operating_system() -> None:
    one = pi_booting(300)
    event(one, "discover", "dhcp", 2, client="ipxe")
    login(250)
    look()
    assert told(one)[-1] == LOADER
    assert ending(one) == ("iscsi", "failed")
