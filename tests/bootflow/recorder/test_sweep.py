"""The recorder's rounds: verdicts, boot once, sessions, the bounds of history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bootflow.models import Boot, BootEvent, BootPlan
from bootflow.recorder import bounds, sweep
from bootflow.recorder.rounds import Recorder
from bootflow.recorder.sessions import mac_of
from devices.models import Device
from images.models import Image, Session, StorageNode
from tests.bootflow.recorder.lines import PC, PI

pytestmark = pytest.mark.django_db
ENROLLED = {"state": "enrolled", "name": "pc", "device_type": "x64"}
DISK = {
    "image_id": "debian",
    "iqn": "i",
    "initiator_name": "n",
    "address": "10.66.0.1",
    "port": 3260,
    "ready": True,
}
NAME = "iqn.2026-02.local.netboot:device.525400000001"


def boot(seconds_ago: float = 60, mac: str = PC, stage: str = "dhcp", **changes: Any) -> Boot:
    at = timezone.now() - timedelta(seconds=seconds_ago)
    return Boot.objects.create(mac=mac, started_at=at, last_event_at=at, stage=stage, **changes)


def event(of: Boot, kind: str, stage: str = "dhcp", after: float = 0, **facts: Any) -> BootEvent:
    at = of.started_at + timedelta(seconds=after)
    of.last_event_at = max(of.last_event_at, at)
    of.save()
    return BootEvent.objects.create(boot=of, at=at, stage=stage, kind=kind, facts=facts)


def login(seconds_ago: float, handle: str = "1", **changes: Any) -> Session:
    node, _ = StorageNode.objects.get_or_create(name="local")
    image, _ = Image.objects.get_or_create(
        id="debian", defaults={"name": "Debian", "size_bytes": 1, "device_type": "x64", "node": node}
    )
    at = timezone.now() - timedelta(seconds=seconds_ago)
    return Session.objects.create(
        iqn="iqn.x:debian", handle=handle, image=image, initiator_name=NAME, address="10.66.0.100",
        started_at=at, **changes,
    )  # fmt: skip


@pytest.fixture
def recorder(tmp_path: Any) -> Recorder:
    return Recorder(tmp_path, tmp_path)


def test_a_pc_that_speaks_dhcp_and_tftp_but_never_http_has_failed_and_says_why() -> None:
    one = boot(60)
    event(one, "discover", client="pxe")
    event(one, "file", "tftp", 1, file="undionly.kpxe")
    sweep.judge_open_boots()
    one.refresh_from_db()
    assert (one.stage, one.outcome) == ("tftp", "failed")
    assert one.reason == (
        "loader fetched, no script asked for within 30 s: the machine reached TFTP but not HTTP port 8080"
    )
    assert one.finished_at is None


def test_a_failed_boot_that_goes_on_after_all_is_in_progress_again() -> None:
    one = boot(60)
    event(one, "discover", client="pxe")
    sweep.judge_open_boots()
    event(one, "script", "script", 59, plan={"state": "discovered"})
    sweep.judge_open_boots()
    one.refresh_from_db()
    assert one.outcome == ""
    assert "Waits to be approved" in one.reason


def test_a_check_in_is_told_in_words() -> None:
    asked = event(boot(1), "script", "script", 0, plan={**ENROLLED, "disk": DISK})
    sweep.judge_open_boots()
    asked.refresh_from_db()
    assert asked.detail == "Asked what to boot, and was told to boot from its disk debian."


def test_a_verdict_does_not_undo_what_came_meanwhile() -> None:
    one = boot(60)
    event(one, "discover", client="pxe")
    stale = Boot.objects.get(pk=one.pk)
    event(one, "script", "script", 59)
    sweep._apply(stale, sweep.Verdict("dhcp", "failed", "too late"))
    one.refresh_from_db()
    assert one.outcome == ""


def test_loader_and_system_log_in_and_the_boot_is_ok(recorder: Recorder) -> None:
    one = boot(60)
    event(one, "script", "script", 3, plan={**ENROLLED, "disk": DISK})
    login(50, "1", ended_at=timezone.now() - timedelta(seconds=21))
    recorder.follow_sessions()
    sweep.judge_open_boots()
    one.refresh_from_db()
    assert (one.stage, one.outcome) == ("iscsi", "")
    taken = login(20, "2")
    recorder.follow_sessions()
    recorder.follow_sessions()
    sweep.judge_open_boots()
    one.refresh_from_db()
    assert (one.stage, one.outcome, one.finished_at) == ("os", "ok", taken.started_at)
    assert list(one.events.values_list("kind", flat=True)) == ["script", "login", "logout", "takeover"]


def test_a_restarted_recorder_notes_no_session_twice(recorder: Recorder, tmp_path: Any) -> None:
    event(boot(60), "script", "script", 3)
    login(50)
    for _ in range(3):
        Recorder(tmp_path, tmp_path).follow_sessions()
    assert BootEvent.objects.filter(kind="login").count() == 1


def test_a_log_out_is_noted_with_the_boot_that_logged_in_though_it_is_over(recorder: Recorder) -> None:
    one = boot(60)
    event(one, "script", "script", 3)
    login(50, "1")
    taken = login(20, "2")
    recorder.follow_sessions()
    sweep.judge_open_boots()
    taken.ended_at = timezone.now()
    taken.save()
    recorder.follow_sessions()
    assert one.events.filter(kind="logout").count() == 1


def test_a_machine_that_logs_in_again_after_a_pause_starts_no_boot(recorder: Recorder) -> None:
    one = boot(600, stage="os", finished_at=timezone.now() - timedelta(seconds=500), outcome="ok")
    login(10, "1")
    login(5, "2")
    recorder.follow_sessions()
    assert Boot.objects.get() == one
    assert one.events.get(kind="login-again").facts["count"] == 2


@pytest.mark.parametrize("name", ["iqn.other:device.525400000001", "", "iqn.2026-02.local.netboot:device.12"])
def test_a_strangers_initiator_is_no_device(name: str) -> None:
    assert mac_of(name) == ""


def test_our_initiator_names_its_device() -> None:
    assert mac_of(NAME) == PC


def plan(boot_once: str) -> BootPlan:
    device = Device.objects.create(mac=PC, name="pc", device_type="x64")
    return BootPlan.objects.create(device=device, boot_once=boot_once)


def test_boot_once_is_spent_when_the_disk_is_reached_and_not_before(recorder: Recorder) -> None:
    planned, one = plan("menu"), boot(60)
    event(one, "script", "script", 59, plan={**ENROLLED, "boot_once": "menu"})
    sweep.judge_open_boots()
    planned.refresh_from_db()
    assert planned.boot_once == "menu"
    login(0)
    recorder.follow_sessions()
    sweep.judge_open_boots()
    planned.refresh_from_db()
    assert planned.boot_once == ""
    assert one.events.filter(kind="boot-once-spent").count() == 1


def test_a_local_boot_once_is_spent_when_the_machine_has_taken_it() -> None:
    planned, one = plan("local"), boot(60)
    event(one, "script", "script", 1, plan={**ENROLLED, "boot_once": "local"})
    sweep.judge_open_boots()
    planned.refresh_from_db()
    assert planned.boot_once == ""


def test_boot_once_is_spent_at_once_when_the_machine_says_that_it_goes_on() -> None:
    planned, one = plan("menu"), boot(0)
    event(one, "script", "script", 0, plan={**ENROLLED, "boot_once": "menu"})
    event(one, "local", "script", 0)
    sweep.judge_open_boots()
    planned.refresh_from_db()
    assert planned.boot_once == "", "a PC that starts again within seconds would get the menu once more"


def test_a_boot_once_set_while_the_system_runs_is_kept_for_the_next_boot(recorder: Recorder) -> None:
    planned, one = plan(""), boot(60)
    event(one, "script", "script", 3, plan={**ENROLLED, "disk": DISK})
    login(50)
    recorder.follow_sessions()
    BootPlan.objects.filter(pk=planned.pk).update(boot_once="menu")
    sweep.judge_open_boots()
    planned.refresh_from_db()
    assert planned.boot_once == "menu"


def test_old_boots_go_and_open_ones_stay(settings: Any) -> None:
    old = timezone.now() - timedelta(days=settings.BOOT_HISTORY_DAYS + 1)
    Boot.objects.create(mac=PC, started_at=old, last_event_at=old, stage="os", finished_at=old)
    still = Boot.objects.create(mac=PC, started_at=old, last_event_at=old, stage="script")
    bounds.trim_history()
    assert Boot.objects.get() == still


def test_more_boots_than_the_bound_lose_the_oldest(settings: Any) -> None:
    settings.BOOT_HISTORY_MAX = 2
    for ago in (50, 40, 30, 20):
        boot(ago, finished_at=timezone.now())
    bounds.trim_history()
    assert Boot.objects.count() == 2
    assert min(one.started_at for one in Boot.objects.all()) > timezone.now() - timedelta(seconds=35)


def test_a_discovered_machine_that_never_came_back_is_forgotten_an_enrolled_one_is_not(settings: Any) -> None:
    long_ago = timezone.now() - timedelta(days=settings.DISCOVERED_DAYS + 1)
    Device.objects.create(mac=PC, device_type="x64", state="discovered", last_seen_at=long_ago)
    Device.objects.create(mac=PI, device_type="raspi", state="enrolled", last_seen_at=long_ago)
    bounds.trim_history()
    assert Device.objects.get().mac == PI
