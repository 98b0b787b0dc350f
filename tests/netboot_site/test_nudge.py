"""Messages that start a converger early: sent on commit, and never worth a person's request."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from images.models import Image
from images.services import register_node
from netboot_site.celery import app
from tests.conftest import Api

pytestmark = pytest.mark.django_db(transaction=True)


@app.task(name="tests.sample", ignore_result=True)
def sample(word: str) -> None:
    """Never run: only its messages are looked at."""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    words: list[Any] = []
    monkeypatch.setattr(sample, "apply_async", lambda *args, **kwargs: words.append((args, kwargs)))
    return words


def test_a_message_is_sent_when_the_change_is_there_to_be_seen(sent: list[Any]) -> None:
    with transaction.atomic():
        sample.delay_on_commit("a", word="b")  # type: ignore[attr-defined]
        assert sent == [], "a worker would have looked before the commit"
    assert sent == [((("a",), {"word": "b"}), {})]


def test_what_was_rolled_back_sends_nothing(sent: list[Any]) -> None:
    with transaction.atomic():
        sample.delay_on_commit("a")  # type: ignore[attr-defined]
        transaction.set_rollback(True)
    assert sent == []


def test_a_lost_message_is_noted_with_its_task(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lose(*args: Any, **options: Any) -> None:
        raise OperationalError("Connection refused")

    monkeypatch.setattr(sample, "apply_async", lose)
    with caplog.at_level(logging.WARNING):
        sample.delay_on_commit("a")  # type: ignore[attr-defined]
    assert "tests.sample will run on the timer, since the broker is away: Connection refused" in caplog.text


def test_another_failure_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise TypeError("no such argument")

    monkeypatch.setattr(sample, "apply_async", fail)
    with pytest.raises(TypeError):
        sample.delay_on_commit("a")  # type: ignore[attr-defined]


@pytest.fixture
def no_redis(tmp_path: Path) -> Iterator[None]:
    """The broker's address leads to a socket that nobody listens on."""
    path = tmp_path / "redis.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    former = app.conf.broker_url
    pools = app.pool, app.amqp.producer_pool
    app.conf.broker_url = f"redis+socket://{path}?virtual_host=0"
    for pool in pools:
        pool.force_close_all()
    app._pool = app.amqp._producer_pool = None
    yield
    app.conf.broker_url = former
    app._pool = app.amqp._producer_pool = None


def test_while_redis_is_down_a_request_still_succeeds(
    no_redis: None, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    register_node(name="local", portal_address="10.66.0.1", portal_port=3260)
    body = {"id": "disk-1", "name": "Disk", "size_gb": 1, "device_type": "x64"}
    begun = time.monotonic()
    answer = api.post("/api/v1/images", body)
    assert time.monotonic() - begun < 4, "the person waited for the broker"
    assert answer.status_code in (201, 202), answer.content
    assert Image.objects.count() == 1
    assert "will run on the timer, since the broker is away" in caplog.text


def test_the_timer_starts_every_converger_again_within_seconds() -> None:
    tasks = {entry["task"]: entry for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    app.loader.import_default_modules()
    assert tasks.keys() == {"images.converge", "images.work", "bootflow.converge", "bootflow.bulk"}
    for name, entry in tasks.items():
        assert name in app.tasks, f"the timer calls {name}, which nobody has"
        assert entry["schedule"].run_every.total_seconds() <= 10
        assert entry["options"]["expires"] <= 10, "rounds would pile up behind a slow one"
