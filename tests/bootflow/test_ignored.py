"""Machines that nobody wants to be asked about: out of every list, on to their local disk, and kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from bootflow import checkin, statements
from bootflow.figures import device_figures
from bootflow.models import Boot, BootEvent
from bootflow.outlook import outlook_of
from bootflow.overview import DeviceFilter, search_devices, waiting_devices
from bootflow.recorder import bounds, ledger
from bootflow.recorder.sighting import Sighting, Sign
from bootflow.services import ignore_device, register_profile
from devices.models import Device, DeviceState
from netboot_site.journal import changes_of
from tests.bootflow.conftest import MAC
from tests.conftest import Api

PATH = "/api/v1/unknown-devices"
SCRIPT = f"/boot/script?mac={MAC}&arch=x86_64&platform=efi"


@pytest.fixture
def stranger(db: None) -> Device:
    Client().get(SCRIPT)
    return Device.objects.get()


@pytest.fixture
def ignored(stranger: Device) -> Device:
    return ignore_device(mac=MAC)


def test_it_is_ignored_listed_as_such_and_taken_back(api: Api, stranger: Device) -> None:
    shown = api.put(f"{PATH}/{MAC}/ignored").json()
    assert shown["ignored_at"] is not None
    assert api.put(f"{PATH}/52-54-00-12-34-56/ignored").json() == shown, "the same again changes nothing"
    assert api.get(PATH).json() == []
    assert [row["mac"] for row in api.get(f"{PATH}?ignored=true").json()] == [MAC]
    assert api.delete(f"{PATH}/{MAC}/ignored").status_code == 204
    assert [row["ignored_at"] for row in api.get(PATH).json()] == [None]
    assert api.get(f"{PATH}?ignored=true").json() == []


def test_who_ignored_it_and_took_it_back_is_noted_once_each(
    api: Api, operator: User, ignored: Device
) -> None:
    for _ in range(2):
        api.delete(f"{PATH}/{MAC}/ignored")
    told = changes_of("device", MAC)
    assert [change.text for change in told] == [
        "No longer ignored: it waits for approval", "Ignored for good",
    ]  # fmt: skip
    assert told[0].person == operator.username


@pytest.mark.parametrize("method", ["put", "delete"])
@pytest.mark.parametrize(("mac", "status"), [("52:54:00:00:00:99", 404), ("nonsense", 422)])
def test_only_a_machine_that_asked_can_be_ignored(
    api: Api, device: Device, method: str, mac: str, status: int
) -> None:
    assert getattr(api, method)(f"{PATH}/{mac}/ignored").status_code == status
    assert getattr(api, method)(f"{PATH}/{device.mac}/ignored").status_code == 404
    device.refresh_from_db()
    assert device.ignored_at is None


def test_a_viewer_may_look_and_not_ignore(
    viewer: User, make_api: Callable[..., Api], stranger: Device
) -> None:
    client = make_api(viewer)
    assert client.get(f"{PATH}?ignored=true").status_code == 200
    assert client.put(f"{PATH}/{MAC}/ignored").status_code == 403
    assert client.delete(f"{PATH}/{MAC}/ignored").status_code == 403


@pytest.mark.parametrize(("method", "path"), [("post", f"{PATH}/{MAC}/approve"), ("delete", f"{PATH}/{MAC}")])
def test_it_is_taken_back_before_anything_else_is_done_with_it(
    api: Api, ignored: Device, method: str, path: str
) -> None:
    answer = getattr(api, method)(path)
    assert (answer.status_code, answer.json()["detail"]) == (
        409, f"The device {MAC} is ignored; take it back first.",
    )  # fmt: skip


def test_registering_it_by_its_address_makes_it_one_of_ours(ignored: Device) -> None:
    device = register_profile(mac=MAC, device_type="x64", name="pc-07")
    assert (device.state, device.ignored_at) == (DeviceState.ENROLLED, None)


def test_it_leaves_the_lists_and_figures_of_pages(ignored: Device) -> None:
    assert waiting_devices() == []
    assert device_figures().discovered == 0
    assert not search_devices(DeviceFilter(state="discovered")).exists()
    assert outlook_of(ignored).title == "Local disk"


def test_it_goes_on_to_its_local_disk_at_once(fetch: Callable[..., str], ignored: Device) -> None:
    for retry in (0, 5):
        script = fetch(f"{SCRIPT}&retry={retry}")
        assert "echo This machine is ignored here." in script
        assert "chain" not in script, "it asks nobody anything"
        assert "sanboot --no-describe --drive 0x80" in script
    assert Client().get(f"/api/v1/boot/check-in?mac={MAC}").json() == {"action": "disabled"}


@pytest.mark.parametrize("system", ["waiting", "initramfs"])
def test_a_raspberry_pi_says_so_and_asks_rarely(
    fetch: Callable[..., str], ignored: Device, system: str
) -> None:
    action, seconds, said = fetch(f"/boot/pi?mac={MAC}&system={system}").splitlines()
    assert (action, seconds) == ("action wait", "seconds 60")
    assert "is ignored here" in said


def test_nothing_of_its_boots_is_kept_but_when_it_was_last_seen(ignored: Device) -> None:
    (boot,) = Boot.objects.all()
    assert (boot.outcome, boot.reason) == ("local", "It is ignored from now on.")
    assert boot.finished_at is not None
    events, before = BootEvent.objects.count(), ignored.last_seen_at
    for path in (
        SCRIPT,
        f"{SCRIPT}&retry=1",
        f"/api/v1/boot/check-in?mac={MAC}",
        f"/boot/pi?system=waiting&mac={MAC}",
    ):
        Client().get(path)
    at = timezone.now()
    ledger.write([Sighting(at, "dhcp", "discover", "PXEClient", Sign.FIRMWARE, MAC)])
    assert (Boot.objects.count(), BootEvent.objects.count()) == (1, events)
    ignored.refresh_from_db()
    assert ignored.last_seen_at is not None
    assert before is not None
    assert ignored.last_seen_at > before


def test_the_recorder_still_writes_of_others(ignored: Device) -> None:
    at, other = timezone.now(), "52:54:00:00:00:77"
    ledger.write(Sighting(at, "dhcp", "discover", "", Sign.FIRMWARE, mac) for mac in (MAC, other))
    assert Boot.objects.filter(finished_at=None).get().mac == other


def test_it_is_not_forgotten(ignored: Device, settings: Any) -> None:
    long_ago = timezone.now() - timedelta(days=settings.DISCOVERED_DAYS + 1)
    Device.objects.update(last_seen_at=long_ago)
    bounds.trim_history()
    assert Device.objects.filter(mac=MAC).exists()


def test_it_takes_no_honest_machines_place(ignored: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkin, "DISCOVERED_LIMIT", 1)
    Client().get("/boot/script?mac=525400000002")
    Client().get("/boot/script?mac=525400000003")
    assert set(Device.objects.values_list("mac", flat=True)) == {MAC, "52:54:00:00:00:02"}


@pytest.mark.parametrize(
    "name", ["CHECK_IN", "FIRST_SCRIPT", "NEXT_SCRIPT", "FIRST_OF_PI", "NEXT_OF_PI", "NOTE", "DISCOVER"]
)
def test_statements_stay_short_enough_to_be_remembered(name: str) -> None:
    assert len(getattr(statements, name)) <= 4096, "psycopg would analyse it again at each check-in"
