"""Which devices a list shows, and in which order: the one search of page, export, bulk actions and API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from bootflow.models import Boot, BootPlan
from bootflow.overview import NONE, SORTS, DeviceFilter, search_devices
from devices.models import Device, DeviceState, Group
from images.models import Export, Image, Session, StorageNode
from tests.conftest import Api

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def mac(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


@pytest.fixture
def lab(node: StorageNode) -> None:
    """b is disabled, c boots, d has failed, e has a disk in use and no group, f only asked."""
    room = Group.objects.create(name="Room 1")
    for number, name in enumerate("abcdef", 1):
        Device.objects.create(
            mac=mac(number), name=name if name != "f" else "", device_type="raspi" if name == "a" else "x64",
            group=room if name in "abc" else None, serial=f"S{9 - number}", facts={"model": f"M{number % 2}"},
            state={"b": DeviceState.DISABLED, "f": DeviceState.DISCOVERED}.get(name, DeviceState.ENROLLED),
            last_seen_at=NOW - timedelta(minutes=number) if name != "a" else None,
        )  # fmt: skip
    image = Image.objects.create(id="disk", name="Disk", size_bytes=1, device_type="x64", node=node)
    device = Device.objects.get(name="e")
    export = Export.objects.create(image=image, device=device, chap_username="x", chap_secret="y")
    Session.objects.create(iqn=export.iqn, handle="1", initiator_name=export.initiator_name, started_at=NOW)
    BootPlan.objects.create(device=Device.objects.get(name="c"), boot_once="menu")
    _boot(3, 0, "")
    _boot(4, 1, "failed")
    _boot(4, 9, "ok")
    _boot(2, 1, "ok")
    _boot(2, 9, "failed")


def _boot(number: int, days: int, outcome: str) -> None:
    start = NOW - timedelta(days=days)
    ended = start + timedelta(seconds=30) if outcome else None
    Boot.objects.create(
        mac=mac(number),
        started_at=start,
        last_event_at=start,
        stage="dhcp",
        outcome=outcome,
        finished_at=ended,
    )


def names(wanted: DeviceFilter) -> str:
    return "".join(device.name or "?" for device in search_devices(wanted))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (DeviceFilter(), "abcde"),
        (DeviceFilter(state="enrolled"), "acde"),
        (DeviceFilter(state="disabled"), "b"),
        (DeviceFilter(state="discovered"), "?"),
        (DeviceFilter(state="booting"), "c"),
        (DeviceFilter(state="in-use"), "e"),
        (DeviceFilter(state="failed"), "d"),
        (DeviceFilter(state="toaster"), "abcde"),
        (DeviceFilter(device_type="raspi"), "a"),
        (DeviceFilter(group="Room 1"), "abc"),
        (DeviceFilter(group=NONE), "de"),
        (DeviceFilter(image="disk"), "e"),
        (DeviceFilter(image=NONE), "abcd"),
        (DeviceFilter(image="dis"), ""),
        (DeviceFilter(text="room 1", state="enrolled"), "ac"),
        (DeviceFilter(text="5254-0000-0003"), "c"),
        (DeviceFilter(text="00:04"), "d"),
        (DeviceFilter(text="s8"), "a"),
        (DeviceFilter(text="%"), ""),
        (DeviceFilter(text="52:54:00", group="Room 1", device_type="x64", state="disabled"), "b"),
    ],
)
def test_a_filter_finds_those_that_it_means_and_no_other(lab: None, wanted: DeviceFilter, found: str) -> None:
    assert names(wanted) == found


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("name", "abcde"), ("-name", "edcba"), ("mac", "abcde"), ("-mac", "edcba"), ("state", "bacde"),
        ("-state", "acdeb"), ("device_type", "abcde"), ("-device_type", "bcdea"), ("serial", "edcba"),
        ("group", "abcde"), ("-group", "abcde"), ("image", "eabcd"), ("boot_once", "cabde"),
        ("last_seen_at", "edcba"), ("-last_seen_at", "bcdea"), ("-last_boot_at", "cbdae"),
        ("last_boot_at", "bdcae"), ("model", "bdace"), ("toaster", "abcde"), ("", "abcde"),
    ],
)  # fmt: skip
def test_a_list_is_sorted_both_ways_with_what_is_not_known_last(lab: None, sort: str, order: str) -> None:
    assert names(DeviceFilter(sort=sort)) == order


@pytest.mark.parametrize("sort", [way + name for name in SORTS for way in ("", "-")])
def test_equal_rows_have_an_order_of_their_own_whatever_is_sorted_by(db: None, sort: str) -> None:
    for number in (5, 3, 1, 4, 2):
        Device.objects.create(mac=mac(number), name="same", device_type="x64", created_at=NOW)
    Device.objects.update(created_at=NOW)
    seen = [device.mac for device in search_devices(DeviceFilter(sort=sort))]
    wanted = sorted(seen, reverse=sort == "-mac")
    assert seen == wanted


def test_a_machine_that_is_left_out_for_good_is_in_no_list(db: None) -> None:
    Device.objects.create(
        mac=mac(1), device_type="x64", state=DeviceState.DISCOVERED, ignored_at=timezone.now()
    )
    assert names(DeviceFilter(state="discovered")) == ""


@pytest.mark.parametrize(
    ("query", "found"),
    [("status=booting", "c"), ("status=in-use", "e"), ("status=failed", "d"), ("device_type=raspi", "a"),
     ("image_id=disk", "e"), ("image_id=$%7Bnone%7D", "abcd"), ("group=$%7Bnone%7D", "de"),
     ("sort=-name", "edcba"), ("sort=-last_seen_at&limit=2&offset=1", "cd"), ("q=room+1", "abc")],
)  # fmt: skip
def test_the_api_filters_and_sorts_as_the_page_does(lab: None, api: Api, query: str, found: str) -> None:
    answer = api.get(f"/api/v1/devices?{query}")
    assert "".join(device["name"] for device in answer.json()) == found  # type: ignore[attr-defined]


@pytest.mark.parametrize("query", ["sort=toaster", "sort=--name", "device_type=toaster", "image_id=a%00"])
def test_the_api_refuses_a_filter_that_there_is_not(api: Api, query: str) -> None:
    assert api.get(f"/api/v1/devices?{query}").status_code == 422
