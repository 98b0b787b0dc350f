"""The page of all devices: filter, order, pages, columns, and that it keeps itself up to date."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bootflow.device_table import COLUMNS
from bootflow.models import Boot, BootPlan
from bootflow.services import register_profile
from devices.models import Device, DeviceState, Group
from images.models import Export, Image, Layer, Session, StorageNode
from tests.bootflow.conftest import make_disk

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def mac(number: int) -> str:
    return f"52:54:00:00:{number // 256:02x}:{number % 256:02x}"


def make(number: int, node: StorageNode) -> Device:
    group, _ = Group.objects.get_or_create(name=f"Room {number % 3}")
    make_disk(node, f"disk-{number}")
    device = register_profile(
        mac=mac(number), device_type="x64", name=f"pc-{number:03}", image_id=f"disk-{number}", group=group
    )
    for ago, outcome in ((60, "ok"), (5, "failed" if number % 2 else "")):
        start = NOW - timedelta(minutes=ago)
        Boot.objects.create(
            mac=device.mac, started_at=start, last_event_at=start, stage="script", outcome=outcome,
            finished_at=start + timedelta(seconds=40) if outcome else None,
            reason="No disk" if outcome else "",
        )  # fmt: skip
    return device


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def names_of(client: Client, path: str) -> list[str]:
    return re.findall(r'id="device-\d+"[^>]*>([^<]+)<', text_of(client, path))


def test_a_row_tells_what_a_device_does_and_what_its_last_boot_came_to(
    operator_client: Client, node: StorageNode
) -> None:
    make(1, node)
    make(2, node)
    export = Export.objects.get(device__mac=mac(1))
    Session.objects.create(iqn=export.iqn, handle="1", initiator_name=export.initiator_name, started_at=NOW)
    page = text_of(operator_client, "/devices/")
    failed, booting = page.split("<tbody>")[1].split("</tr>")[:2]
    assert "Failed" in failed
    assert "Disk in use" in failed
    assert 'title="No disk"' in failed
    assert "Script" in booting
    assert "data-since" in booting
    assert "Disk in use" not in booting


def test_a_hundred_devices_cost_as_many_queries_as_one(operator_client: Client, node: StorageNode) -> None:
    paths = ["/devices/", "/devices/live/?sort=-last_boot_at", "/devices/?q=pc&state=failed"]

    def costs() -> list[int]:
        found = []
        for path in paths:
            operator_client.get(path)
            with CaptureQueriesContext(connection) as seen:
                assert operator_client.get(path).status_code == 200
            found.append(len(seen))
        return found

    make(1, node)
    one = costs()
    make_many(range(2, 101), Image.objects.get())
    assert costs() == one
    assert max(one) <= 10, one


def make_many(numbers: range, image: Image) -> None:
    """As `make` does it, in few statements."""
    group = Group.objects.get()
    devices = Device.objects.bulk_create(
        Device(mac=mac(number), name=f"pc-{number:03}", device_type="x64", group=group) for number in numbers
    )
    layers = Layer.objects.bulk_create(
        Layer(image=image, device=device, number=device.pk + 9, size_bytes=1, format="qcow2")
        for device in devices
    )
    Export.objects.bulk_create(
        Export(
            image=image, device=device, mode="overlay", layer=layer, chap_username=device.mac, chap_secret="x"
        )
        for device, layer in zip(devices, layers, strict=True)
    )  # fmt: skip
    BootPlan.objects.bulk_create(BootPlan(device=device) for device in devices)
    moments = dict.fromkeys(("started_at", "last_event_at", "finished_at"), NOW)
    Boot.objects.bulk_create(
        Boot(mac=device.mac, stage="script", outcome="failed", **moments) for device in devices
    )


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.key)
def test_each_column_can_be_shown_alone_and_sorts_both_ways(
    operator_client: Client, node: StorageNode, column: object
) -> None:
    make(1, node)
    make(2, node)
    answer = operator_client.get(f"/devices/?columns=&columns={column.key}")  # type: ignore[attr-defined]
    assert answer["Location"] == "/devices/"
    page = text_of(operator_client, "/devices/")
    assert page.count('<th scope="col"') == 2, "the name and the chosen column"
    sort = column.sort  # type: ignore[attr-defined]
    assert f"?sort={sort}" in page
    up = text_of(operator_client, f"/devices/?sort={sort}")
    assert 'aria-sort="ascending"' in up
    assert f"?sort=-{sort}" in up
    assert 'aria-sort="descending"' in text_of(operator_client, f"/devices/?sort=-{sort}")


def test_chosen_columns_are_kept_with_the_filter_that_was_on(
    operator_client: Client, node: StorageNode
) -> None:
    make(1, node)
    answer = operator_client.get("/devices/?q=pc&columns=&columns=serial&columns=toaster&sort=-name")
    assert answer["Location"] == "/devices/?q=pc&sort=-name"
    page = text_of(operator_client, "/devices/")
    assert ">Serial" in page
    assert ">Group</a>" not in page
    operator_client.get("/devices/?columns=")
    assert text_of(operator_client, "/devices/").count('<th scope="col"') == 1


def test_filters_stay_while_one_sorts_and_turns_pages(operator_client: Client, node: StorageNode) -> None:
    Device.objects.bulk_create(
        Device(mac=mac(number), name=f"pc-{number:03}", device_type="x86") for number in range(1, 121)
    )
    page = text_of(operator_client, "/devices/?q=pc&type=x86&sort=-name&page=2")
    assert "?q=pc&amp;type=x86&amp;sort=group" in page
    assert "?q=pc&amp;type=x86&amp;sort=-name&amp;page=3" in page
    assert names_of(operator_client, "/devices/?q=pc&type=x86&sort=-name&page=2")[0] == "pc-070"
    assert "51–100 of 120" in page


def test_the_table_answers_only_when_something_is_new(operator_client: Client, node: StorageNode) -> None:
    make(1, node)
    page = text_of(operator_client, "/devices/?sort=-name&group=Room+1")
    url = re.search(r'hx-get="(/devices/live/[^"]*)"', page)
    assert url
    address = url[1].replace("&amp;", "&")
    assert operator_client.get(address).status_code == 204
    Device.objects.update(state=DeviceState.DISABLED)
    again = operator_client.get(address)
    assert again.status_code == 200
    assert b"Disabled" in again.content


@pytest.mark.parametrize(
    "question",
    ["state=toaster", "type=x", "group=nowhere", "image=nowhere", "sort=toaster", "page=x", "q=%00",
     "sort=--name", "group=%00&image=%00", "q=" + "x" * 3000, "columns=toaster",
     "q=%F0%9F%98%80&group=%E2%80%AE"],
)  # fmt: skip
def test_an_address_that_asks_for_what_there_is_not_is_no_error(
    operator_client: Client, question: str
) -> None:
    answer = operator_client.get(f"/devices/?{question}")
    assert answer.status_code in {200, 302}


def test_a_viewer_sees_rows_and_nothing_to_change_them(viewer_client: Client, node: StorageNode) -> None:
    make(1, node)
    page = text_of(viewer_client, "/devices/")
    assert "pc-001" in page
    for word in ('type="checkbox" id="tick', "/devices/bulk/", "/devices/import/", "/devices/new/"):
        assert word not in page


def test_every_box_and_heading_has_a_name_for_a_screen_reader(
    operator_client: Client, node: StorageNode
) -> None:
    make(1, node)
    page = text_of(operator_client, "/devices/")
    assert 'aria-label="Select pc-001"' in page
    assert 'aria-label="Select all devices on this page"' in page
    assert "<caption" in page
    assert not re.search(r"<th(?![^>]*scope)[ >]", page)
    assert not re.search(r"<select(?![^>]*aria-label)", page)


def test_machines_that_nobody_approved_are_not_ticked(operator_client: Client) -> None:
    Device.objects.create(mac=mac(1), device_type="x64", state=DeviceState.DISCOVERED)
    page = text_of(operator_client, "/devices/?state=discovered")
    assert mac(1) in page
    assert 'name="mac"' not in page


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "x" * 200, "\u05e9\u05dc\u05d5\u05dd"])
def test_a_strange_name_is_text(operator_client: Client, name: str) -> None:
    group = Group.objects.create(name=name)
    Device.objects.create(mac=mac(1), device_type="x64", name=name, group=group)
    page = text_of(operator_client, "/devices/")
    assert "<script>alert" not in page
    assert page.count('dir="auto"') >= 2
