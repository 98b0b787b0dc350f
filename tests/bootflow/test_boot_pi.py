"""GET /boot/pi: one statement, recorded like a script of iPXE, with a Pi's own words under its own rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bootflow import checkin, firmware
from bootflow.models import Boot, BootEvent, PiTree, PiTreeState
from bootflow.services import register_profile, update_profile
from devices.models import Device, DeviceState
from images.models import Export

MAC = "b8:27:eb:6c:4c:16"
QUESTION = f"/boot/pi?mac={MAC}&serial=00000000b66c4c16&model=Raspberry%20Pi%203&revision=a02082"
Fetch = Callable[..., str]


@pytest.fixture(autouse=True)
def own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firmware, "owns_address", lambda *, mac, address: address == "10.66.0.50")


@pytest.fixture
def pi(db: None) -> Device:
    return register_profile(mac=MAC, device_type="raspi", name="pi-1")


def make_tree(device: Device, state: PiTreeState = PiTreeState.READY, **fields: str) -> None:
    PiTree.objects.update_or_create(
        device=device, defaults={"state": state, "observed_at": timezone.now(), **fields}
    )


def action(text: str) -> str:
    return text.splitlines()[0].removeprefix("action ")


def test_an_unknown_pi_is_discovered_with_what_it_is(fetch: Fetch) -> None:
    text = fetch(f"{QUESTION}&system=waiting&retry=0")
    found = Device.objects.get()
    assert (found.mac, found.state, found.device_type) == (MAC, DeviceState.DISCOVERED, "raspi")
    assert (found.serial, found.firmware, found.architecture) == ("b66c4c16", "raspberry-pi", "arm64")
    assert found.facts == {"model": "Raspberry Pi 3 Model B Rev 1.2", "board_revision": "a02082"}
    assert action(text) == "wait"
    assert f"say Code: {found.code}" in text.splitlines()
    assert "say Name: Raspberry Pi 3 Model B Rev 1.2" in text.splitlines()


def test_from_another_address_it_is_seen_and_nothing_that_it_says_is_believed(fetch: Fetch) -> None:
    fetch(f"{QUESTION}&system=waiting&retry=0", address="10.66.0.99")
    found = Device.objects.get()
    assert (found.serial, found.facts, found.device_type) == ("", {}, "raspi")


def test_it_asks_for_ever_and_is_told_its_code_each_time(fetch: Fetch) -> None:
    for retry in (0, 1, 500_000):
        assert "say Code: " in fetch(f"{QUESTION}&system=waiting&retry={retry}")


def test_approved_and_with_a_disk_it_restarts_when_its_files_are_there(
    fetch: Fetch, pi: Device, give_disk: Callable[..., Export]
) -> None:
    give_disk(pi)
    assert action(fetch(f"{QUESTION}&system=waiting&retry=1")) == "wait"
    make_tree(pi, PiTreeState.WAITING, last_error="Its disk is being read.")
    assert "say Its disk is being read." in fetch(f"{QUESTION}&system=waiting&retry=2")
    make_tree(pi)
    assert action(fetch(f"{QUESTION}&system=waiting&retry=3")) == "restart"
    assert Export.objects.get().handed_out_at is None, "the waiting system does not use the disk"


def test_an_initramfs_is_told_to_boot_and_the_disk_counts_as_handed_out(
    fetch: Fetch, pi: Device, give_disk: Callable[..., Export]
) -> None:
    give_disk(pi)
    assert action(fetch(f"{QUESTION}&system=initramfs&retry=0")) == "boot"
    assert Export.objects.get().handed_out_at is not None


@pytest.mark.parametrize("system", ["waiting", "initramfs"])
def test_no_answer_and_no_record_holds_a_secret(
    fetch: Fetch, pi: Device, give_disk: Callable[..., Export], system: str
) -> None:
    export = give_disk(pi)
    make_tree(pi)
    text = fetch(f"{QUESTION}&system={system}&retry=0") + str(BootEvent.objects.get().facts)
    assert export.chap_secret not in text
    assert export.chap_username not in text


def test_a_disabled_pi_waits_and_says_why(fetch: Fetch, pi: Device) -> None:
    update_profile(device=pi, enabled=False)
    text = fetch(f"{QUESTION}&system=waiting&retry=0")
    assert (action(text), "say The device pi-1 is disabled." in text) == ("wait", True)


def test_its_questions_are_one_boot_at_the_script(fetch: Fetch, pi: Device) -> None:
    for retry in range(3):
        fetch(f"{QUESTION}&system=waiting&retry={retry}")
    boot = Boot.objects.get()
    assert (boot.mac, boot.stage, boot.finished_at) == (MAC, "script", None)
    (event,) = boot.events.all()
    assert (event.kind, event.facts["system"]) == ("script", "waiting")


@pytest.mark.parametrize("told", ["00000000b66c4c16", "b66c4c16", "B66C4C16"])
def test_the_serial_of_an_enrolled_pi_is_learnt_if_it_has_none(fetch: Fetch, pi: Device, told: str) -> None:
    fetch(f"/boot/pi?mac={MAC}&serial={told}&system=waiting")
    pi.refresh_from_db()
    assert pi.serial == "b66c4c16"
    assert "serial_seen" not in pi.facts


@pytest.mark.parametrize(
    ("kept", "noted"), [("aa6c4c16", "b66c4c16"), ("b66c4c16", None), ("12345678b66c4c16", None)]
)
def test_a_serial_that_a_person_gave_stays_and_another_one_is_noted(
    fetch: Fetch, pi: Device, kept: str, noted: str | None
) -> None:
    Device.objects.update(serial=kept)
    fetch(f"{QUESTION}&system=waiting&retry=0")
    pi.refresh_from_db()
    assert pi.serial == kept
    assert pi.facts.get("serial_seen") == noted


def test_a_discovered_pi_takes_the_serial_that_it_tells(fetch: Fetch) -> None:
    fetch(f"{QUESTION}&system=waiting&retry=0")
    Device.objects.update(serial="aa6c4c16")
    fetch(f"{QUESTION}&system=waiting&retry=1")
    assert Device.objects.get().serial == "b66c4c16"


def test_a_pi_that_says_nothing_of_itself_keeps_what_is_known(fetch: Fetch, pi: Device) -> None:
    fetch(f"{QUESTION}&system=waiting&retry=0")
    fetch(f"/boot/pi?mac={MAC}&system=initramfs&retry=1")
    pi.refresh_from_db()
    assert (pi.serial, pi.facts["board_revision"], pi.architecture) == ("b66c4c16", "a02082", "arm64")


@pytest.mark.parametrize("retry", [0, 7])
def test_a_check_in_is_one_statement(
    fetch: Fetch, pi: Device, retry: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[str] = []
    execute = checkin.execute
    monkeypatch.setattr(checkin, "execute", lambda text, given: (run.append(text), execute(text, given))[1])
    with CaptureQueriesContext(connection) as others:
        fetch(f"{QUESTION}&system=waiting&retry={retry}")
    assert len(run) == 1
    assert len(others) == 0, others.captured_queries


def test_while_the_database_is_away_it_waits_and_is_told_so(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(asking: checkin.Asking) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(firmware, "check_in", away)
    text = fetch(f"{QUESTION}&system=waiting&retry=0")
    assert text.startswith("action wait\nseconds 3\nsay The orchestrator's database does not answer.")


@pytest.mark.parametrize("query", ["", "mac=hello&system=waiting", f"mac={MAC}", f"mac={MAC}&system=other"])
def test_a_question_that_is_not_understood_is_answered_and_leaves_nothing(fetch: Fetch, query: str) -> None:
    text = fetch(f"/boot/pi?{query}")
    assert text.startswith("action wait\nseconds 3\nsay ")
    assert not Device.objects.exists()
