"""The dashboard and its live part."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bootflow.models import Boot, Installer
from devices.models import Device, DeviceState
from images.models import Image, StorageNode
from netboot_site.heartbeat import beat
from netboot_site.pages import seen_of
from tests.browser.believable import boot_of, fill, mac_of

LIVE = "/dashboard/live/"
MAC = "52:54:00:ab:cd:01"


def seen_in(page: str) -> str:
    return page.split("seen=")[1].split('"')[0]


def live_page(client: Client) -> str:
    return client.get(LIVE).content.decode()


def test_a_live_part_that_shows_all_there_is_gets_no_content(operator_client: Client) -> None:
    seen = seen_in(live_page(operator_client))
    answer = operator_client.get(f"{LIVE}?seen={seen}")
    assert answer.status_code == 204
    assert answer.content == b""


def test_time_that_goes_by_in_a_boot_is_no_news(operator_client: Client) -> None:
    for hours in (5, 4):
        boot_of(MAC, timezone.now() - timedelta(hours=hours), upto=31.8, outcome="ok")
    boot_of(MAC, timezone.now() - timedelta(seconds=15), upto=12.3)
    page = live_page(operator_client)
    assert "<progress" in page
    assert operator_client.get(f"{LIVE}?seen={seen_in(page)}").status_code == 204


def test_a_device_that_appears_is_sent(operator_client: Client) -> None:
    seen = seen_in(operator_client.get("/").content.decode())
    device = Device.objects.create(mac=MAC, device_type="x64", state=DeviceState.DISCOVERED)
    answer = operator_client.get(f"{LIVE}?seen={seen}")
    assert answer.status_code == 200
    assert device.code in answer.content.decode()


def test_the_live_part_holds_no_form_that_polling_could_wipe(operator_client: Client) -> None:
    Device.objects.create(mac=MAC, device_type="x64", state=DeviceState.DISCOVERED)
    page = live_page(operator_client)
    assert "<form" not in page
    assert "<input" not in page


def test_a_full_dashboard_tells_states_disks_boots_and_reasons(client: Client, db: None) -> None:
    fill()
    client.force_login(User.objects.get(username="admin"))
    page = client.get("/").content.decode()
    for text in ("541 GiB free", "GiB promised", "render-node-a", "not HTTP port 8080", "Raspberry Pi",
                 "1 failed", "1 being imported", "Active devices", "Last failures"):  # fmt: skip
        assert text in page, text
    for state in ("active", "enrolled", "disabled", "discovered"):
        assert f'href="/devices/?state={state}"' in page


def test_a_boot_that_takes_longer_than_usual_stands_out(operator_client: Client) -> None:
    now = timezone.now()
    for number in range(1, 4):
        boot_of(mac_of(number), now - timedelta(days=1), upto=31.8, outcome="ok")
    boot_of(mac_of(1), now - timedelta(seconds=20), upto=12.3)
    boot_of(mac_of(2), now - timedelta(seconds=90), upto=12.3)
    boot_of(mac_of(9), now - timedelta(seconds=90), upto=12.3)
    page = live_page(operator_client)
    assert page.count("Overdue") == 1
    assert page.index(mac_of(2)) < page.index(mac_of(1)), "the overdue one does not come first"
    assert page.count("usually 32 s") == 2
    assert page.count("No earlier boot of it to compare with") == 1


def test_the_last_failures_lead_to_their_boots(operator_client: Client) -> None:
    failed = boot_of(MAC, timezone.now(), upto=4.2, outcome="failed", reason="No script was asked for.")
    page = live_page(operator_client)
    assert f'id="failure-{failed.pk}" href="/boots/{failed.pk}/"' in page
    assert "<p>No script was asked for.</p>" in page


def test_an_empty_house_says_what_to_do_next(operator_client: Client) -> None:
    page = operator_client.get("/").content.decode()
    for text in ("Power one on", "No boots yet", "No boot has failed"):
        assert text in page, text


def test_a_page_that_is_left_open_asks_every_five_seconds_whatever_goes_on(operator_client: Client) -> None:
    fill()
    assert 'hx-trigger="every 5s, wake"' in live_page(operator_client)


def test_what_the_browser_counts_on_by_itself_is_no_change() -> None:
    bar = '<progress value="{}" data-since="{}">'
    assert seen_of(bar.format(3, "noon")) == seen_of(bar.format(8, "noon"))
    assert seen_of(bar.format(3, "noon")) != seen_of(bar.format(3, "one"))


def test_a_name_that_would_break_the_page_is_shown_as_text(operator_client: Client) -> None:
    name = "<script>alert(1)</script>" + "x" * 170
    Device.objects.create(mac=MAC, device_type="x64", name=name)
    boot_of(MAC, timezone.now(), upto=4.2)
    page = live_page(operator_client)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def queries_of(client: Client, path: str) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert client.get(path).status_code == 200
    return [query["sql"] for query in seen.captured_queries]


@pytest.mark.parametrize("path", [LIVE, "/"])
def test_it_takes_as_many_queries_for_a_hundred_machines_as_for_one(
    operator_client: Client, path: str
) -> None:
    def boot(number: int) -> None:
        mac = mac_of(number)
        Device.objects.create(mac=mac, device_type="x64", name=f"pc{number}")
        boot_of(mac, timezone.now() - timedelta(hours=1), upto=31.8, outcome="ok")
        boot_of(mac, timezone.now() - timedelta(hours=2), upto=31.8, outcome="failed", reason="x")
        boot_of(mac, timezone.now(), upto=4.2)

    boot(0)
    beat("control")
    node = StorageNode.objects.create(name="local", portal_address="10.0.0.1")
    Image.objects.create(id="first", name="first", node=node, size_bytes=2**30, device_type="x64")
    first = queries_of(operator_client, path)
    for number in range(1, 30):
        boot(number)
        Installer.objects.create(name=f"i{number}", path="p", kernel="k", device_type="x64")
        Device.objects.create(mac=mac_of(number + 100), device_type="x64", state=DeviceState.DISCOVERED)
    assert Boot.objects.count() == 90
    later = queries_of(operator_client, path)
    assert len(later) == len(first), "\n".join(later)
    assert len(first) <= 17
