"""History is bounded: boots, events, sessions, the journal; in steps, and nobody else's rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from axes.models import AccessLog
from django.contrib.sessions.models import Session as WebSession
from django.db import connection
from django.utils import timezone

from bootflow.management.commands.run_recorder import Chore
from bootflow.models import Boot, BootEvent, Stage
from bootflow.recorder import bounds, sweep
from bootflow.recorder.bounds import FIRST_KEPT, LAST_KEPT, LEFT_OUT
from images.models import Session
from netboot_site import trimming
from netboot_site.models import Change

pytestmark = pytest.mark.django_db
LOOPING, OTHER = "52:54:00:00:00:01", "52:54:00:00:00:02"
NOW = timezone.now()


def boot(mac: str = OTHER, minutes_ago: float = 5, ended: bool = True, **changes: Any) -> Boot:
    at = NOW - timedelta(minutes=minutes_ago)
    finished = at if ended else None
    return Boot.objects.create(
        mac=mac, started_at=at, last_event_at=at, finished_at=finished, **{"stage": "script", **changes}
    )


def events(of: Boot, count: int) -> None:
    BootEvent.objects.bulk_create(
        BootEvent(
            boot=of, at=of.started_at + timedelta(seconds=n), stage=Stage.SCRIPT, kind="script", detail=str(n)
        )
        for n in range(count)
    )


def change(days_ago: float) -> Change:
    return Change.objects.create(at=NOW - timedelta(days=days_ago), kind="device", key="x", text="y")


def test_a_machine_that_starts_over_and_over_takes_no_others_history(settings: Any) -> None:
    settings.BOOT_HISTORY_DEVICE_MAX = 3
    kept = boot(OTHER, 60 * 24 * 30)
    going = boot(LOOPING, 500, ended=False)
    for number in range(6):
        events(boot(LOOPING, 100 - number), 2)
    while bounds.trim_history():
        pass
    left = list(Boot.objects.filter(mac=LOOPING, finished_at__isnull=False).order_by("started_at"))
    assert [one.started_at for one in left] == [NOW - timedelta(minutes=100 - n) for n in (4, 5)]
    assert set(Boot.objects.all()) == {kept, going, *left}
    assert BootEvent.objects.count() == 4


def test_a_boot_never_holds_more_than_its_share_of_events_and_tells_how_many_are_missing() -> None:
    one, small = boot(LOOPING, 500, ended=False), boot(OTHER, 5, ended=False)
    events(one, 1_000)
    events(small, 400)
    bounds.trim_events()
    left = list(one.events.values_list("detail", flat=True))
    told = "700 events in between were not kept."
    assert left == [
        *map(str, range(FIRST_KEPT)), told, *map(str, range(1_000 - LAST_KEPT, 1_000)),
    ]  # fmt: skip
    assert small.events.count() == 400
    BootEvent.objects.bulk_create(
        BootEvent(boot=one, at=NOW, stage=Stage.SCRIPT, kind="script", detail="later") for _ in range(400)
    )
    bounds.trim_events()
    assert one.events.get(kind=LEFT_OUT).facts == {"missing": 1_100}
    assert one.events.count() == FIRST_KEPT + LAST_KEPT + 1


def test_a_flood_of_events_goes_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "EVENTS_STEP", 100)
    one = boot(LOOPING, 500, ended=False)
    events(one, 1_050)
    bounds.trim_events()
    assert one.events.count() == FIRST_KEPT + LAST_KEPT + 1
    assert one.events.get(kind=LEFT_OUT).facts == {"missing": 750}


def test_what_was_left_out_changes_no_verdict() -> None:
    one = boot(LOOPING, 0.1, ended=False)
    one.last_event_at = NOW
    one.save()
    BootEvent.objects.bulk_create(
        BootEvent(
            boot=one, at=NOW, stage=Stage.SCRIPT, kind="script", facts={"plan": {"state": "discovered"}}
        )
        for _ in range(600)
    )
    bounds.trim_events()
    sweep.judge_open_boots()
    one.refresh_from_db()
    assert (one.stage, one.cause) == ("script", "waits-approval")


def test_an_event_that_came_while_its_boot_was_forgotten_is_forgotten_too() -> None:
    gone, kept = boot(OTHER, 50), boot(OTHER, 5)
    events(gone, 2)
    events(kept, 2)
    with connection.cursor() as cursor:  # as a report does that is committed a moment later
        cursor.execute("DELETE FROM bootflow_boot WHERE id = %s", [gone.pk])
    bounds.trim_history()
    assert set(BootEvent.objects.values_list("boot_id", flat=True)) == {kept.pk}


def test_sessions_that_ended_long_ago_are_forgotten_and_open_ones_are_not(settings: Any) -> None:
    old = NOW - timedelta(days=settings.BOOT_HISTORY_DAYS + 1)
    for handle, ended_at in (("1", old), ("2", None)):
        Session.objects.create(iqn="i", handle=handle, initiator_name="n", started_at=old, ended_at=ended_at)
    bounds.trim_history()
    assert Session.objects.get().handle == "2"


def test_the_journal_is_bounded_by_days_and_by_rows(settings: Any) -> None:
    settings.CHANGE_HISTORY_MAX = 3
    change(settings.CHANGE_HISTORY_DAYS + 1)
    kept = [change(days) for days in (5, 4, 3, 2, 1)][-3:]
    bounds.trim_history()
    assert list(Change.objects.order_by("at")) == kept


def test_sign_ins_and_expired_sessions_of_browsers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimming, "PEOPLE_MAX", 2)
    for number in range(4):
        AccessLog.objects.create(username=str(number), path_info="/", attempt_time=NOW)
    for key, days in (("old", -1), ("live", 1)):
        WebSession.objects.create(session_key=key, session_data="", expire_date=NOW + timedelta(days=days))
    bounds.trim_history()
    assert sorted(AccessLog.objects.values_list("username", flat=True)) == ["2", "3"]
    assert WebSession.objects.get().session_key == "live"


def test_a_step_says_whether_another_is_to_follow_at_once(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "DELETE_STEP", 2)
    settings.BOOT_HISTORY_MAX = 1
    for number in range(6):
        boot(f"52:54:00:00:01:{number:02x}", number)
    assert [bounds.trim_history() for _ in range(4)] == [True, True, False, False]
    assert Boot.objects.count() == 1


def test_a_chore_that_has_more_to_do_is_due_at_once_and_otherwise_in_its_time() -> None:
    answers = iter([True, False, None])
    chore = Chore(lambda: next(answers), 60.0)
    due = []
    for now in (0.0, 0.2, 60.3):
        chore.do(now)
        due.append(chore.due)
    assert due == [0.0, 60.2, 120.3]


def test_the_number_of_statements_of_a_step_does_not_grow_with_the_rows(
    django_assert_max_num_queries: Any,
) -> None:
    def count() -> int:
        with django_assert_max_num_queries(60) as seen:
            bounds.trim_history()
        return len(seen)

    ages = [NOW - timedelta(days=400)] * 3

    def fill(times: list[datetime]) -> None:
        for at in times:
            Boot.objects.create(mac=OTHER, started_at=at, last_event_at=at, finished_at=at, stage="os")

    fill(ages)
    before = count()
    fill(ages * 30)
    assert count() == before
    assert not Boot.objects.exists()
