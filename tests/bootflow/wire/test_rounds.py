"""Looks that were asked for and machines that are to be woken, over a fake wire."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from bootflow.models import BootNetwork, WireLook
from bootflow.ports import BootAnswer, WireServer
from bootflow.wire import rounds
from bootflow.wire.rounds import TOO_LATE, WireRounds, pending_looks, pending_wakes, work
from devices.models import Device
from devices.services import wake_device
from tests.bootflow.fakes import FakeWire

pytestmark = pytest.mark.django_db
OURS = WireServer(
    "10.66.0.1", "52:54:00:00:00:01", False, (BootAnswer("BIOS PC", "undionly.kpxe", "10.66.0.1"),)
)
ROUTER = WireServer("10.66.0.254", "52:54:00:00:00:fe", True)


@pytest.fixture(autouse=True)
def network(settings: Any) -> None:
    settings.BOOT_INTERFACE, settings.BOOT_ADDRESS = "eth0", "10.66.0.1"


def further(interface: str = "nb1", address: str = "10.77.1.1") -> BootNetwork:
    return BootNetwork.objects.create(
        interface=interface, address=address, first_address="10.77.1.10", last_address="10.77.1.20"
    )


def ask(interface: str = "eth0") -> WireLook:
    return WireLook.objects.create(interface=interface, requested_at=timezone.now())


def woken_device(number: int = 1) -> Device:
    device = Device.objects.create(mac=f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}", device_type="x64")
    return wake_device(device=device)


def do(wire: FakeWire) -> list[float]:
    pauses: list[float] = []
    work(wire, pauses.append)
    return pauses


def test_a_look_tells_ours_from_others_and_what_each_does() -> None:
    ask()
    do(FakeWire((OURS, ROUTER)))
    look = WireLook.objects.get()
    assert look.observed_at is not None
    assert look.last_error == ""
    ours, router = look.observed_servers
    assert (ours["address"], ours["ours"], ours["hands_out_addresses"], ours["answers_pxe"]) == (
        "10.66.0.1", True, False, True,
    )  # fmt: skip
    assert ours["answers"] == [
        {"client": "BIOS PC", "boot_file": "undionly.kpxe", "next_server": "10.66.0.1"}
    ]
    assert (router["address"], router["mac"], router["ours"]) == ("10.66.0.254", "52:54:00:00:00:fe", False)
    assert (router["hands_out_addresses"], router["answers_pxe"]) == (True, False)


def test_our_server_on_a_further_network_is_ours_too() -> None:
    further(address="10.66.0.254")
    ask()
    do(FakeWire((ROUTER,)))
    assert WireLook.objects.get().observed_servers[0]["ours"] is True


def test_a_look_is_done_once_and_again_when_it_is_asked_for_again() -> None:
    look, wire = ask(), FakeWire()
    do(wire)
    do(wire)
    assert wire.looked == ["eth0"]
    WireLook.objects.filter(pk=look.pk).update(requested_at=timezone.now())
    do(wire)
    assert wire.looked == ["eth0", "eth0"]


def test_a_look_that_cannot_be_says_why_and_forgets_who_answered_before() -> None:
    look = ask()
    do(FakeWire((ROUTER,)))
    WireLook.objects.filter(pk=look.pk).update(requested_at=timezone.now())
    do(FakeWire(broken={"eth0": "The interface eth0 cannot be used: no such device."}))
    look.refresh_from_db()
    assert (look.observed_servers, look.last_error) == (
        [], "The interface eth0 cannot be used: no such device.",
    )  # fmt: skip
    assert not pending_looks().exists(), "it is tried again only when somebody asks"


def test_a_machine_gets_three_packets_on_every_network_and_none_later() -> None:
    further()
    device, wire = woken_device(), FakeWire()
    do(wire)
    do(wire)
    assert sorted(wire.woken) == [("eth0", device.mac)] * 3 + [("nb1", device.mac)] * 3
    device.refresh_from_db()
    assert device.observed_woken_at is not None
    assert device.wake_requested_at is not None
    assert device.observed_woken_at > device.wake_requested_at


def test_many_at_once_are_spaced_and_all_woken() -> None:
    wire = FakeWire()
    for number in range(45):
        woken_device(number + 1)
    pauses = do(wire)
    assert len(wire.woken) == len(pauses) == 45 * 3
    assert min(pauses) > 0
    assert not Device.objects.filter(observed_woken_at=None).exists()


def test_one_network_that_is_gone_keeps_no_machine_asleep() -> None:
    further()
    device = woken_device()
    do(FakeWire(broken={"nb1": "The interface nb1 cannot be used."}))
    device.refresh_from_db()
    assert device.observed_woken_at is not None
    assert device.observed_wake_error == ""


def test_a_machine_that_cannot_be_woken_says_why_and_is_tried_again() -> None:
    device, broken = (
        woken_device(),
        FakeWire(broken={"eth0": "The wire of eth0 can be reached by root alone."}),
    )
    do(broken)
    device.refresh_from_db()
    assert (device.observed_woken_at, device.observed_wake_error) == (
        None, "The wire of eth0 can be reached by root alone.",
    )  # fmt: skip
    do(FakeWire())
    device.refresh_from_db()
    assert device.observed_woken_at is not None
    assert device.observed_wake_error == ""


def test_without_any_network_it_says_what_to_set(settings: Any) -> None:
    settings.BOOT_INTERFACE = ""
    device = woken_device()
    do(FakeWire())
    device.refresh_from_db()
    assert device.observed_wake_error.endswith("set BOOT_INTERFACE.")


def test_a_machine_does_not_start_by_surprise_long_after_it_was_asked_for() -> None:
    device, wire = woken_device(), FakeWire()
    Device.objects.update(wake_requested_at=timezone.now() - timedelta(seconds=61))
    do(wire)
    device.refresh_from_db()
    assert wire.woken == []
    assert device.observed_wake_error == TOO_LATE
    wake_device(device=device)
    do(wire)
    device.refresh_from_db()
    assert len(wire.woken) == 3
    assert device.observed_wake_error == ""


@pytest.mark.parametrize("count", [1, 40])
def test_what_is_asked_for_is_found_by_one_query_each(
    count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(count):
        woken_device(number + 1)
    with django_assert_num_queries(2):
        assert not pending_looks().exists()
        assert pending_wakes(timezone.now()).exists()


def test_a_round_starts_a_thread_only_for_something_to_do_and_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[str] = []

    class Alive:
        def __init__(self, target: object, name: str, daemon: bool) -> None:
            assert daemon, "it keeps no worker from ending"

        def start(self) -> None:
            started.append("x")

        def is_alive(self) -> bool:
            return True

    monkeypatch.setattr(rounds.threading, "Thread", Alive)
    wire = WireRounds(FakeWire())
    wire.round()
    assert started == []
    ask()
    wire.round()
    wire.round()
    assert started == ["x"]


def test_a_thread_gives_its_connection_back_whatever_the_database_says(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[str] = []

    def fail(_: object) -> None:
        raise DatabaseError("the database is away")

    monkeypatch.setattr(rounds, "work", fail)
    monkeypatch.setattr(rounds.connection, "close", lambda: closed.append("x"), raising=False)
    WireRounds(FakeWire())._work()
    assert closed == ["x"]
    assert "the database is away" in caplog.text
