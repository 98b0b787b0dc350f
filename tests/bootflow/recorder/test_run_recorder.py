"""The recorder's process: it goes on through a database that is away, and stops when told."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from bootflow.management.commands.run_dnsmasq import Command as RunDnsmasq
from bootflow.management.commands.run_recorder import Chore, Command
from bootflow.recorder.rounds import Recorder
from netboot_site import system
from netboot_site.models import Heartbeat

pytestmark = pytest.mark.django_db


def test_a_chore_is_done_when_it_is_due_and_not_before() -> None:
    done: list[int] = []
    chore = Chore(lambda: done.append(1), 5.0)
    for now in (100.0, 101.0, 104.9, 105.0):
        chore.do(now)
    assert len(done) == 2


def test_rounds_go_on_after_the_database_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL is away for two rounds; in the fourth we are told to stop."""
    rounds: list[int] = []
    command = Command()

    def one_round(self: Command, *_: Any) -> None:
        rounds.append(1)
        if len(rounds) < 3:
            raise OperationalError("the connection is closed")
        self.stopped.set()

    monkeypatch.setattr(Command, "_round", one_round)
    monkeypatch.setattr("bootflow.management.commands.run_recorder.DATABASE_RETRY_SECONDS", 0.01)
    monkeypatch.setattr("bootflow.management.commands.run_recorder.connection", Closed())
    monkeypatch.setattr("signal.signal", lambda *_: None)
    command.handle()
    assert len(rounds) == 3


class Closed:
    """A connection that can only be closed."""

    def close(self) -> None:
        pass


def test_a_round_leaves_a_heartbeat(tmp_path: Path) -> None:
    command, recorder = Command(), Recorder(tmp_path, tmp_path)
    command.stopped = threading.Event()
    command.stopped.set()
    command._round(recorder, command._chores(recorder))
    assert Heartbeat.objects.get().name == "recorder"


def test_dnsmasq_starts_as_it_last_was_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.DNSMASQ_PATH = tmp_path
    (tmp_path / "dnsmasq.conf").write_text("port=0\n")
    monkeypatch.setattr("bootflow.management.commands.run_dnsmasq.converge", away)
    monkeypatch.setattr("bootflow.management.commands.run_dnsmasq.connection", Closed())
    became: list[list[str]] = []
    monkeypatch.setattr(system, "replace", became.append)
    RunDnsmasq().handle()
    (words,) = became
    assert words[: len(system.TIED)] == system.TIED
    assert words[-4:] == [
        "dnsmasq", "--keep-in-foreground", f"--conf-file={tmp_path}/dnsmasq.conf", "--log-facility=-",
    ]  # fmt: skip


def test_dnsmasq_waits_for_its_first_configuration(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.DNSMASQ_PATH = tmp_path
    tries: list[int] = []

    def converge() -> None:
        tries.append(1)
        if len(tries) < 3:
            away()
        (tmp_path / "dnsmasq.conf").write_text("port=0\n")

    monkeypatch.setattr("bootflow.management.commands.run_dnsmasq.converge", converge)
    monkeypatch.setattr("bootflow.management.commands.run_dnsmasq.RETRY_SECONDS", 0.01)
    monkeypatch.setattr("bootflow.management.commands.run_dnsmasq.connection", Closed())
    monkeypatch.setattr(system, "replace", lambda words: None)
    RunDnsmasq().handle()
    assert len(tries) == 3


def away() -> None:
    raise OperationalError("the connection is refused")
