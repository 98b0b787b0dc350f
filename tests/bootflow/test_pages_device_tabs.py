"""The tabs of a device's page: what stands where, who is told that somebody was faster, and at what cost."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bootflow.models import Boot, Installer
from bootflow.services import register_profile, set_boot_once, spend_boot_once, update_profile
from devices.models import Device, DeviceState
from images.models import Export
from images.services import create_image, register_node
from netboot_site import journal
from netboot_site.formats import GIB

MAC = "52:54:00:ab:cd:01"
TABS = ["", "boots/", "disk/", "identity/", "power/", "preview/", "history/"]


@pytest.fixture
def device(db: None) -> Device:
    register_node(name="local", portal_address="10.66.0.1", portal_port=3260)
    create_image(image_id="debian", name="Debian", size_bytes=GIB, device_type="x64")
    Installer.objects.create(name="deb", path="deb", kernel="linux", device_type="x64")
    return register_profile(mac=MAC, device_type="x64", name="pc-1", image_id="debian")


def page_of(client: Client, tab: str = "") -> str:
    answer = client.get(f"/devices/{MAC}/{tab}")
    assert answer.status_code == 200, tab
    return answer.content.decode()


@pytest.mark.parametrize("state", DeviceState.values)
@pytest.mark.parametrize("device_type", ["x64", "raspi"])
def test_each_tab_says_which_it_is(
    operator_client: Client, device: Device, state: str, device_type: str
) -> None:
    Export.objects.all().delete()
    Device.objects.update(state=state, device_type=device_type)
    for tab in TABS:
        page = page_of(operator_client, tab)
        assert f'<a href="/devices/{MAC}/{tab}" aria-current="page">' in page, tab


@pytest.mark.parametrize(
    ("tab", "held"),
    [("", "As planned"), ("", 'value="installer:deb"'), ("boots/", "Booted"), ("disk/", "Unassign"),
     ("identity/", 'name="kernel_set"'), ("power/", "Wake it"), ("preview/", "Boot file"),
     ("preview/", "Does anything else stand in its way?"), ("preview/", "set password ********"),
     ("history/", "Registered as pc-1")],
)  # fmt: skip
def test_each_tab_holds_its_own(operator_client: Client, device: Device, tab: str, held: str) -> None:
    Export.objects.update(observed_state="ready")
    now = timezone.now()
    Boot.objects.create(mac=MAC, started_at=now, last_event_at=now, finished_at=now, stage="os", outcome="ok")
    page = page_of(operator_client, tab)
    assert held in page
    assert Export.objects.get().chap_secret not in page


@pytest.mark.parametrize("tab", TABS)
def test_a_tab_takes_as_many_queries_with_a_hundred_rows_as_with_one(
    operator_client: Client, device: Device, tab: str
) -> None:
    now = timezone.now()

    def add(count: int) -> None:
        for _ in range(count):
            Boot.objects.create(
                mac=MAC, started_at=now, last_event_at=now, finished_at=now, stage="os", outcome="ok"
            )
            journal.record("device", MAC, "Named")

    add(1)
    page_of(operator_client, tab)
    with CaptureQueriesContext(connection) as one:
        page_of(operator_client, tab)
    add(100)
    with CaptureQueriesContext(connection) as many:
        page_of(operator_client, tab)
    assert len(many) == len(one)
    assert len(one) <= 26, f"{tab} takes {len(one)} queries"


@pytest.mark.parametrize("part", ["", "disk", "power"])
def test_a_live_part_is_silent_while_nothing_changes(
    viewer_client: Client, device: Device, part: str
) -> None:
    path = f"/devices/{MAC}/live/?tab={part}"
    first = viewer_client.get(path)
    assert first.status_code == 200
    seen = re.findall(r"seen=(\w+)", first.content.decode())[0]
    assert viewer_client.get(f"{path}&seen={seen}").status_code == 204


def test_a_part_that_does_not_live_is_not_there(viewer_client: Client, device: Device) -> None:
    assert viewer_client.get(f"/devices/{MAC}/live/?tab=history").status_code == 404


def edition_on(page: str) -> str:
    return re.findall(r'name="edition" value="([^"]+)"', page)[0]


FORMS: dict[str, tuple[str, dict[str, str], str]] = {
    "edit": (
        "identity/",
        {"name": "mine", "device_type": "x64", "group": "Lab 7", "kernel_set": "default"}, 'value="Lab 7"',
    ),
    "boot-once": ("", {"choice": "menu"}, 'value="menu" checked'),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_second_of_two_people_is_told_and_may_send_again(
    operator_client: Client, device: Device, form: str
) -> None:
    tab, sent, kept = FORMS[form]
    edition = edition_on(page_of(operator_client, tab))
    with journal.acting(lambda: "anna"):
        update_profile(device=device, name="hers")
    answer = operator_client.post(f"/devices/{MAC}/{form}/", {**sent, "edition": edition})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "by anna at" in page
    assert "Name: pc-1 → hers" in page
    assert kept in page
    assert Device.objects.get().name == "hers"
    again = operator_client.post(f"/devices/{MAC}/{form}/", {**sent, "edition": edition_on(page)})
    assert again.status_code == 302


@pytest.mark.parametrize("button", ["enable", "unassign", "delete"])
def test_a_button_is_refused_where_somebody_was_faster(
    operator_client: Client, device: Device, button: str
) -> None:
    edition = edition_on(page_of(operator_client, "identity/"))
    update_profile(device=device, name="hers")
    sent = {"edition": edition, "enabled": "0"}
    answer = operator_client.post(f"/devices/{MAC}/{button}/", sent, follow=True)
    assert "was changed meanwhile" in answer.content.decode()
    assert Export.objects.exists()
    assert Device.objects.get().state == DeviceState.ENROLLED


def test_a_machine_that_booted_meanwhile_is_in_nobodys_way(operator_client: Client, device: Device) -> None:
    set_boot_once(device=device, boot_once="menu")
    edition = edition_on(page_of(operator_client))
    spend_boot_once(mac=MAC)
    sent = {"choice": "local", "edition": edition}
    assert operator_client.post(f"/devices/{MAC}/boot-once/", sent).status_code == 302


def test_waking_is_noted_and_shown(operator_client: Client, device: Device) -> None:
    answer = operator_client.post(f"/devices/{MAC}/wake/")
    assert answer["Location"] == f"/devices/{MAC}/power/"
    assert "Being woken" in page_of(operator_client, "power/")
    Device.objects.update(observed_wake_error="The interface boot0 is down.")
    assert "The interface boot0 is down." in page_of(operator_client, "power/")


HOSTILE = ["<script>alert(1)</script>", "x" * 200, "שלום עולם", '"><img src=x>', "a\u202eb"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_on_every_tab(operator_client: Client, device: Device, name: str) -> None:
    Device.objects.update(name=name)
    journal.record("device", MAC, f"Name: pc-1 → {name}")
    for tab in TABS:
        page = page_of(operator_client, tab)
        assert "<script>alert" not in page, tab
        assert "<img src=x>" not in page, tab
        assert '<span dir="auto">' in page, tab
