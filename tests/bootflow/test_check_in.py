"""GET /api/v1/boot/check-in: open to every machine, recorded, and without a secret."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.http import HttpResponse
from django.test import Client
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from bootflow import statements
from bootflow.models import Boot, BootEvent, Installer
from bootflow.services import set_boot_once, update_profile
from devices.models import Device, DeviceState
from images.models import Export
from tests.bootflow.conftest import MAC

PATH = "/api/v1/boot/check-in"


def ask(mac: str = MAC, **query: str) -> HttpResponse:
    return Client().get(PATH, {"mac": mac, **query})


def test_a_device_with_a_disk_is_told_where_it_is(device: Device, give_disk: Callable[..., Export]) -> None:
    export = give_disk(device)
    assert ask().json() == {
        "action": "boot_image",
        "image_id": "disk-1",
        "image_path": f"iscsi:10.66.0.1:::1:{export.iqn}",
        "kernel_set": "default",
        "iqn": export.iqn,
        "portal": "10.66.0.1:3260",
        "root_path": f"iscsi:10.66.0.1:::1:{export.iqn}",
        "ready": True,
    }


def test_no_secret_is_in_the_answer_nor_in_the_record(
    device: Device, give_disk: Callable[..., Export]
) -> None:
    export = give_disk(device)
    answer = ask().content.decode()
    kept = str(BootEvent.objects.get().facts)
    for text in (answer, kept):
        assert export.chap_secret not in text
        assert export.chap_username not in text


def test_a_device_without_a_disk_boots_the_default(device: Device) -> None:
    answer = ask().json()
    assert (answer["action"], answer["kernel_set"]) == ("boot_default", "default")


def test_a_disabled_device_is_told_so(device: Device, give_disk: Callable[..., Export]) -> None:
    give_disk(device)
    update_profile(device=device, enabled=False)
    assert ask().json() == {"action": "disabled"}


@pytest.mark.django_db
def test_an_unknown_machine_is_recorded_as_discovered() -> None:
    answer = ask(device_type="raspi")
    assert answer.status_code == 200
    assert answer.json()["action"] == "show_menu"
    assert answer.json()["device_type"] == "raspi"
    found = Device.objects.get()
    assert (found.mac, found.state, found.device_type) == (MAC, DeviceState.DISCOVERED, "raspi")
    assert found.code in answer.json()["message"]


@pytest.mark.parametrize("spelling", ["525400123456", "52-54-00-12-34-56", "5254.0012.3456", MAC.upper()])
def test_every_spelling_is_the_same_device(device: Device, spelling: str) -> None:
    assert ask(spelling).json()["action"] == "boot_default"
    assert Device.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["", "hello", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "\0", "x" * 9000])
def test_what_is_no_mac_address_is_refused(text: str) -> None:
    answer = ask(text)
    assert answer.status_code == 422
    assert "MAC address" in answer.json()["detail"]
    assert not Device.objects.exists()


def test_each_answer_is_recorded_in_one_boot(device: Device) -> None:
    for _ in range(3):
        ask()
    boot = Boot.objects.get()
    assert (boot.mac, boot.stage, boot.finished_at) == (MAC, "script", None)
    assert [event.kind for event in boot.events.all()] == ["check-in"] * 3


def test_it_costs_one_statement(
    device: Device, give_disk: Callable[..., Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    give_disk(device)
    statements: list[str] = []
    from bootflow import checkin

    run = checkin.execute
    monkeypatch.setattr(checkin, "execute", lambda sql, values: (statements.append(sql), run(sql, values))[1])
    ask()
    assert len(statements) == 1


def test_boot_once_comes_before_the_plan(
    device: Device, installer: Installer, give_disk: Callable[..., Export]
) -> None:
    give_disk(device)
    set_boot_once(device=device, boot_once="local")
    assert ask().json()["action"] == "boot_default"
    set_boot_once(device=device, boot_once="menu")
    assert ask().json()["action"] == "show_menu"
    set_boot_once(device=device, boot_once="installer", installer="debian-12")
    assert ask().json()["installer"] == "debian-12"
    set_boot_once(device=device, boot_once="")
    assert ask().json()["action"] == "boot_image"


def test_other_methods_are_refused_in_plain_text(device: Device) -> None:
    answer = Client().post(PATH, {"mac": MAC})
    assert answer.status_code == 405
    assert answer["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    "statement",
    [
        statements.CHECK_IN,
        statements.FIRST_SCRIPT,
        statements.NEXT_SCRIPT,
        statements.FIRST_OF_PI,
        statements.NEXT_OF_PI,
    ],
)
def test_a_statement_is_short_enough_for_psycopg_to_remember_its_analysis(statement: str) -> None:
    assert len(statement) <= MAX_CACHED_STATEMENT_LENGTH
    assert "\n" not in statement
    assert "--" not in statement
