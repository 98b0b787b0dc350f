"""Boot once is spent exactly when its boot has done what was asked for, and history is cut in small steps."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from bootflow.models import Boot, BootEvent, BootPlan
from bootflow.recorder import bounds, sweep
from devices.models import Device
from tests.bootflow.recorder.lines import PC
from tests.bootflow.recorder.test_judge import FILES
from tests.bootflow.recorder.test_sweep import DISK, ENROLLED, boot, event, plan

pytestmark = pytest.mark.django_db
WITH_DISK = {**ENROLLED, "disk": DISK}


def asked(boot_once: str, seconds_ago: float) -> tuple[BootPlan, Boot]:
    """A device whose next boot differs, and its boot, which was told so that long ago."""
    planned, one = plan(boot_once), boot(seconds_ago)
    told = {**WITH_DISK, "boot_once": boot_once}
    event(one, "script", "script", plan={**told, "installer": FILES} if boot_once == "installer" else told)
    return planned, one


# boot once, seconds since the script, what was seen after it (stage, kind), spent
CASES: dict[str, tuple[str, float, tuple[tuple[str, str], ...], bool]] = {
    "local, just told": ("local", 9, (), False),
    "local, taken": ("local", 11, (), True),
    "local, and said so": ("local", 1, (("script", "local"),), True),
    "menu, shown": ("menu", 9, (), False),
    "menu, settled": ("menu", 11, (), True),
    "menu, chose the local disk": ("menu", 1, (("script", "local"),), True),
    "menu, chose an installer": ("menu", 1, (("installer", "file"),), True),
    "installer, only told": ("installer", 25, (), False),
    "installer, never came": ("installer", 90, (), False),
    "installer, its files": ("installer", 2, (("installer", "file"),), True),
    "disk reached instead": ("menu", 2, (("iscsi", "login"),), True),
    "only DHCP after it": ("installer", 2, (("dhcp", "address"),), False),
}


@pytest.mark.parametrize("name", CASES)
def test_boot_once_is_spent_when_it_has_been_done_and_not_before(name: str) -> None:
    boot_once, seconds_ago, seen, spent = CASES[name]
    planned, one = asked(boot_once, seconds_ago)
    for stage, kind in seen:
        event(one, kind, stage, 0.5, file="debian/linux")
    for _ in range(2):
        sweep.judge_open_boots()
    planned.refresh_from_db()
    assert planned.boot_once == ("" if spent else boot_once)
    assert one.events.filter(kind="boot-once-spent").count() == int(spent)


def test_a_boot_that_was_not_told_of_boot_once_does_not_spend_it() -> None:
    planned, one = plan("local"), boot(60)
    event(one, "script", "script", plan=WITH_DISK)
    event(one, "login", "iscsi", 2)
    sweep.judge_open_boots()
    planned.refresh_from_db()
    assert planned.boot_once == "local"


def test_a_boot_once_that_was_set_again_meanwhile_waits_for_the_next_power_on() -> None:
    planned, _ = asked("local", 11)
    sweep.judge_open_boots()
    BootPlan.objects.filter(pk=planned.pk).update(boot_once="menu")
    sweep.judge_open_boots()
    planned.refresh_from_db()
    assert planned.boot_once == "menu"


def test_spending_another_devices_plan_does_not_happen() -> None:
    asked("local", 11)
    other = Device.objects.create(mac="52:54:00:00:00:99", name="b", device_type="x64")
    theirs = BootPlan.objects.create(device=other, boot_once="local")
    sweep.judge_open_boots()
    theirs.refresh_from_db()
    assert theirs.boot_once == "local"


def test_a_device_that_was_deleted_while_it_boots_is_judged_all_the_same() -> None:
    planned, one = asked("local", 11)
    planned.device.delete()
    sweep.judge_open_boots()
    one.refresh_from_db()
    assert one.outcome == "local"


def test_a_boot_without_any_event_is_left_alone() -> None:
    one = boot(900)
    sweep.judge_open_boots()
    one.refresh_from_db()
    assert (one.outcome, one.finished_at) == ("", None)


def days_ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def ended_boots(count: int, days: float) -> None:
    at = days_ago(days)
    Boot.objects.bulk_create(
        Boot(mac=PC, started_at=at + timedelta(seconds=n), last_event_at=at, stage="os", finished_at=at)
        for n in range(count)
    )


def test_old_history_goes_in_small_steps_with_its_events(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(bounds, "DELETE_STEP", 3)
    ended_boots(7, settings.BOOT_HISTORY_DAYS + 1)
    ended_boots(2, 1)
    for one in Boot.objects.all():
        BootEvent.objects.create(boot=one, at=one.started_at, stage="os", kind="online")
    left = []
    for _ in range(4):
        bounds.trim_history()
        left.append((Boot.objects.count(), BootEvent.objects.count()))
    assert left == [(6, 6), (3, 3), (2, 2), (2, 2)]


def test_a_surplus_goes_in_small_steps_too_and_stops_at_the_bound(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(bounds, "DELETE_STEP", 4)
    settings.BOOT_HISTORY_MAX = 3
    ended_boots(9, 1)
    left = []
    for _ in range(3):
        bounds.trim_history()
        left.append(Boot.objects.count())
    assert left == [5, 3, 3]


@pytest.mark.parametrize(("days", "left"), [(-0.01, 1), (0.01, 0)])
def test_a_boot_lasts_as_long_as_the_setting_says(settings: Any, days: float, left: int) -> None:
    ended_boots(1, settings.BOOT_HISTORY_DAYS + days)
    bounds.trim_history()
    assert Boot.objects.count() == left


def test_discovered_devices_are_forgotten_in_small_steps_and_disabled_ones_never(
    settings: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(bounds, "DELETE_STEP", 2)
    gone = days_ago(settings.DISCOVERED_DAYS + 0.01)
    for n, state in enumerate(["discovered"] * 3 + ["disabled", "enrolled"]):
        Device.objects.create(
            mac=f"52:54:00:00:09:{n:02x}", device_type="x64", state=state, last_seen_at=gone
        )
    left = []
    for _ in range(3):
        bounds.trim_history()
        left.append(Device.objects.count())
    assert left == [3, 2, 2]
