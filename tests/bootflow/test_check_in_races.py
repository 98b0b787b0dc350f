"""Many machines, or one many times, at the same moment: no error, one row."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from bootflow.firmware import Answer, answer_check_in, answer_script
from bootflow.models import Boot, BootEvent
from devices.models import Device

pytestmark = pytest.mark.django_db(transaction=True)
THREADS = 8
ROUNDS = 10


def at_once(answer: Callable[[str, str], Answer], query: Callable[[int], str]) -> list[Answer]:
    start = Barrier(THREADS)

    def ask(number: int) -> Answer:
        try:
            connection.ensure_connection()
            start.wait(10)
            return answer(query(number), "10.66.0.50")
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(ask, range(THREADS)))


@pytest.mark.parametrize("answer", [answer_check_in, answer_script])
def test_a_new_machine_that_asks_many_times_at_once_is_one_device(
    answer: Callable[[str, str], Answer],
) -> None:
    for turn in range(ROUNDS):
        made = at_once(answer, lambda _, turn=turn: f"mac=52540000{turn:04x}")  # type: ignore[misc]
        assert all("database does not answer" not in one.body for one in made)
    assert Device.objects.count() == ROUNDS
    assert Boot.objects.count() == ROUNDS
    assert BootEvent.objects.count() == ROUNDS * THREADS


def test_many_new_machines_at_once_are_all_kept() -> None:
    at_once(answer_check_in, lambda number: f"mac=5254000000{number:02x}")
    assert Device.objects.count() == THREADS
    assert Boot.objects.count() == THREADS


def test_a_power_on_seen_many_times_at_once_closes_the_old_boot_once() -> None:
    Device.objects.create(mac="52:54:00:00:00:01", device_type="x64")
    for _ in range(ROUNDS):
        answer_script("mac=525400000001", "")
        Boot.objects.filter(finished_at=None).update(stage="iscsi")
        made = at_once(answer_script, lambda _: "mac=525400000001")
        assert all("database does not answer" not in one.body for one in made)
        assert Boot.objects.filter(finished_at=None).count() == 1
