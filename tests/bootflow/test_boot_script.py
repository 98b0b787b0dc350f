"""GET /boot/script: what a machine is told, and what is kept of its question."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from bootflow import checkin
from bootflow.models import Boot, BootEvent, Outcome
from bootflow.services import approve_device
from devices.models import Device, DeviceState
from images.models import Export
from tests.bootflow.conftest import MAC

FACTS = "arch=x86_64&buildarch=i386&platform=pcbios&serial=S1&manufacturer=Acme&product=Model%20One"
ASK = f"/boot/script?retry=0&mac=525400123456&{FACTS}"


def again(retry: int) -> str:
    return ASK.replace("retry=0", f"retry={retry}")


def test_an_unknown_machine_is_kept_with_all_that_it_told(fetch: Callable[..., str]) -> None:
    script = fetch(ASK)
    device = Device.objects.get()
    assert (device.state, device.serial, device.device_type) == (DeviceState.DISCOVERED, "S1", "x64")
    assert (device.architecture, device.firmware) == ("x86_64", "bios")
    assert device.facts["manufacturer"] == "Acme"
    for text in ("Name: Model One", f"Address: {MAC}", f"Code: {device.code}"):
        assert text in script


def test_a_machine_that_waits_boots_as_soon_as_it_is_approved(
    fetch: Callable[..., str], give_disk: Callable[..., Export]
) -> None:
    fetch(ASK)
    device = approve_device(mac=MAC)
    give_disk(device)
    assert "identity could not be checked" in fetch(again(1))
    assert [event.facts["plan"]["state"] for event in BootEvent.objects.all()] == ["discovered", "enrolled"]


def test_a_machine_that_waits_for_days_leaves_one_row_until_it_is_told_something_else(
    fetch: Callable[..., str],
) -> None:
    for retry in range(5):
        fetch(again(retry))
    assert BootEvent.objects.count() == 1
    first, boot = Device.objects.get(), Boot.objects.get()
    assert first.last_seen_at is not None
    assert first.first_seen_at is not None
    assert first.last_seen_at > first.first_seen_at
    assert boot.last_event_at > boot.started_at


def test_an_unknown_machine_goes_to_its_local_disk_after_ten_minutes(fetch: Callable[..., str]) -> None:
    assert "Asking again" in fetch(again(199))
    assert "Nobody approved this device within 10 minutes." in fetch(again(200))


@pytest.mark.parametrize("stage", ["installer", "iscsi", "os"])
def test_a_first_question_after_a_disk_was_reached_is_a_new_boot(
    fetch: Callable[..., str], device: Device, stage: str
) -> None:
    fetch(ASK)
    Boot.objects.update(stage=stage)
    fetch(ASK)
    old, new = Boot.objects.order_by("id")
    assert (old.outcome, old.finished_at is not None) == (Outcome.FAILED, True)
    assert "Powered on again" in old.reason
    assert (new.outcome, new.finished_at, new.events.count()) == (Outcome.RUNNING, None, 1)


def test_a_question_again_stays_in_its_boot(fetch: Callable[..., str], device: Device) -> None:
    fetch(ASK)
    Boot.objects.update(stage="iscsi")
    fetch(again(1))
    assert Boot.objects.get().stage == "iscsi"


def test_the_boot_that_the_recorder_began_goes_on(fetch: Callable[..., str], device: Device) -> None:
    now = timezone.now()
    Boot.objects.create(mac=MAC, started_at=now, last_event_at=now, stage="tftp")
    fetch(ASK)
    assert Boot.objects.get().stage == "script"


def test_beyond_the_limit_strangers_get_their_script_and_leave_no_row(
    fetch: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkin, "DISCOVERED_LIMIT", 2)
    for last in range(1, 5):
        assert f"Address: 52:54:00:00:00:0{last}" in fetch(f"/boot/script?mac=52540000000{last}")
    assert Device.objects.count() == 2
    assert Boot.objects.count() == 2


def test_a_disabled_device_starts_from_its_local_disk(fetch: Callable[..., str], device: Device) -> None:
    Device.objects.update(state=DeviceState.DISABLED)
    assert "The device pc-07 is disabled." in fetch(ASK)


@pytest.mark.django_db
@pytest.mark.parametrize("mac", ["", "x", "01:00:5e:00:00:01", "%00", "%ff%fe", "0" * 12])
def test_what_is_no_mac_address_gets_a_script_too(fetch: Callable[..., str], mac: str) -> None:
    script = fetch(f"/boot/script?mac={mac}")
    assert script.startswith("#!ipxe\n")
    assert ":local" in script
    assert not Device.objects.exists()


@pytest.mark.django_db
def test_an_address_that_nobody_serves_is_told_in_plain_text() -> None:
    answer = Client().get("/boot/nothing/here")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert answer.content.startswith(b"#!ipxe\n")


@pytest.mark.django_db
def test_no_cookie_and_no_redirect_is_ever_given() -> None:
    for path in ("/boot/boot.ipxe", "/boot/script", "/boot/report", "/boot/online", "/boot/script/"):
        answer = Client().get(path)
        assert answer.status_code in {200, 404}
        assert not answer.cookies
        assert "Location" not in answer
