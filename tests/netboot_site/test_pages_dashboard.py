"""The dashboard and its live part."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from devices.models import Device, DeviceState
from netboot_site import dashboard
from netboot_site.heartbeat import beat
from netboot_site.models import Heartbeat
from netboot_site.pages import seen_of
from tests.browser.believable import fill

LIVE = "/dashboard/live/"


def seen_in(page: str) -> str:
    return page.split("seen=")[1].split('"')[0]


def test_a_live_part_that_shows_all_there_is_gets_no_content(operator_client: Client) -> None:
    seen = seen_in(operator_client.get(LIVE).content.decode())
    answer = operator_client.get(f"{LIVE}?seen={seen}")
    assert answer.status_code == 204
    assert answer.content == b""


def test_a_device_that_appears_is_sent(operator_client: Client) -> None:
    seen = seen_in(operator_client.get("/").content.decode())
    device = Device.objects.create(mac="52:54:00:ab:cd:01", device_type="x64", state=DeviceState.DISCOVERED)
    answer = operator_client.get(f"{LIVE}?seen={seen}")
    assert answer.status_code == 200
    assert device.code in answer.content.decode()


def test_the_live_part_holds_no_form_that_polling_could_wipe(operator_client: Client) -> None:
    Device.objects.create(mac="52:54:00:ab:cd:01", device_type="x64", state=DeviceState.DISCOVERED)
    page = operator_client.get(LIVE).content.decode()
    assert "<form" not in page
    assert "<input" not in page


def test_a_full_dashboard_tells_states_disks_boots_and_reasons(client: Client, db: None) -> None:
    fill()
    client.force_login(User.objects.get(username="admin"))
    page = client.get("/").content.decode()
    for text in ("11 enrolled", "1 disabled", "541 GiB free", "700 GiB promised", "render-node-a",
                 "not HTTP port 8080", "Raspberry Pi", "1 failed"):  # fmt: skip
        assert text in page, text


@pytest.mark.parametrize(
    ("silence", "trouble", "told"),
    [(1, "", "status-green"), (1, "tgtd does not answer", "tgtd does not answer"), (90, "", "status-red")],
)
def test_a_service_that_fell_silent_or_is_troubled_is_told(
    operator_client: Client, silence: int, trouble: str, told: str
) -> None:
    beat_at = timezone.now() - timedelta(seconds=silence)
    Heartbeat.objects.create(name="storage.local", beat_at=beat_at, last_error=trouble)
    assert told in operator_client.get("/").content.decode()


def test_an_empty_house_says_what_to_do_next(operator_client: Client) -> None:
    page = operator_client.get("/").content.decode()
    assert "Power one on" in page
    assert "No boots yet" in page


@pytest.mark.django_db
@pytest.mark.parametrize(("found", "state"), [("healthy", "up"), ("is not running", "down")])
def test_a_service_that_reports_and_is_looked_at_has_one_row(
    monkeypatch: pytest.MonkeyPatch, found: str, state: str
) -> None:
    beat("dnsmasq")
    monkeypatch.setattr(dashboard, "check_processes", lambda: {"dnsmasq": found})
    assert [(one.name, one.state) for one in dashboard.services()] == [("dnsmasq", state)]


def test_a_page_that_is_left_open_asks_every_five_seconds_whatever_goes_on(operator_client: Client) -> None:
    fill()
    assert 'hx-trigger="every 5s, wake"' in operator_client.get(LIVE).content.decode()


def test_what_the_browser_counts_on_by_itself_is_no_change() -> None:
    bar = '<progress value="{}" data-since="{}">'
    assert seen_of(bar.format(3, "noon")) == seen_of(bar.format(8, "noon"))
    assert seen_of(bar.format(3, "noon")) != seen_of(bar.format(3, "one"))
