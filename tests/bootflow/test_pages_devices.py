"""Pages of devices, as they are read."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bootflow.models import Boot
from bootflow.services import register_profile
from devices.models import Device, DeviceState, Group
from images.models import Export, Image, Session, StorageNode
from images.services import create_image, register_node
from netboot_site.formats import GIB

MAC = "52:54:00:ab:cd:01"


@pytest.fixture
def node(db: None) -> StorageNode:
    return register_node(name="local", portal_address="10.66.0.1", portal_port=3260)


def make(number: int, node: StorageNode) -> Device:
    image = create_image(image_id=f"disk-{number}", name=f"Disk {number}", size_bytes=GIB, device_type="x64")
    group, _ = Group.objects.get_or_create(name=f"Room {number % 3}")
    mac = f"52:54:00:00:01:{number:02x}"
    device = register_profile(
        mac=mac, device_type="x64", name=f"pc-{number:02}", image_id=image.id, group=group
    )
    Boot.objects.create(mac=mac, started_at=timezone.now(), last_event_at=timezone.now(), stage="dhcp")
    return device


def queries_of(client: Client, path: str) -> int:
    client.get(path)  # the session and content types are cached by then
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert client.get(path).status_code == 200
    return len(seen)


@pytest.mark.parametrize("path", ["/devices/", "/images/", "/boots/", "/", "/dashboard/live/"])
def test_a_page_of_fifty_rows_takes_as_many_queries_as_one_of_one_row(
    operator_client: Client, node: StorageNode, path: str
) -> None:
    make(1, node)
    one = queries_of(operator_client, path)
    for number in range(2, 51):
        make(number, node)
    assert queries_of(operator_client, path) == one
    assert one <= 16, f"{path} takes {one} queries"


@pytest.mark.parametrize("path", ["/devices/52:54:00:00:01:01/", "/images/disk-1/"])
def test_a_page_of_one_thing_takes_few_queries(operator_client: Client, node: StorageNode, path: str) -> None:
    make(1, node)
    for number in range(2, 20):
        make(number, node)
    assert queries_of(operator_client, path) <= 24


@pytest.mark.parametrize(
    ("question", "found"),
    [("q=PC-02", "pc-02"), ("q=52-54-00-00-01-02", "pc-02"), ("q=525400000102", "pc-02"),
     ("q=Room+2", "pc-02"), ("state=disabled", "pc-03")],
)  # fmt: skip
def test_devices_are_found_by_what_one_knows_of_them(
    operator_client: Client, node: StorageNode, question: str, found: str
) -> None:
    for number in (1, 2, 3):
        make(number, node)
    Device.objects.filter(name="pc-03").update(state=DeviceState.DISABLED)
    page = operator_client.get(f"/devices/?{question}").content.decode()
    assert found in page
    assert "pc-01" not in page


def test_pages_go_on_after_fifty_rows(operator_client: Client, node: StorageNode) -> None:
    for number in range(1, 53):
        register_profile(mac=f"52:54:00:00:02:{number:02x}", device_type="x64", name=f"pc-{number:02}")
    first = operator_client.get("/devices/?q=pc").content.decode()
    assert "pc-50" in first
    assert "pc-51" not in first
    assert "?q=pc&amp;page=2" in first
    assert "pc-51" in operator_client.get("/devices/?q=pc&page=2").content.decode()


@pytest.mark.parametrize("page", ["0", "-1", "999", "x", ""])
def test_a_page_number_out_of_range_is_no_error(operator_client: Client, page: str) -> None:
    assert operator_client.get(f"/devices/?page={page}").status_code == 200


@pytest.mark.parametrize("spelling", [MAC, MAC.upper(), "52-54-00-ab-cd-01", "525400abcd01"])
def test_a_device_is_reached_by_its_address_in_any_spelling(operator_client: Client, spelling: str) -> None:
    register_profile(mac=MAC, device_type="x64", name="pc-one")
    assert b"pc-one" in operator_client.get(f"/devices/{spelling}/").content


@pytest.mark.parametrize(
    "path", ["/devices/52:54:00:ff:ff:ff/", "/devices/hello/", "/boots/4711/", "/images/no/"]
)
def test_what_is_not_there_is_a_page_that_says_so(operator_client: Client, path: str) -> None:
    answer = operator_client.get(path)
    assert answer.status_code == 404
    assert b"There is nothing here" in answer.content


def test_a_device_tells_what_it_will_boot_and_why(operator_client: Client, node: StorageNode) -> None:
    device = make(1, node)
    waits = operator_client.get(f"/devices/{device.mac}/").content.decode()
    assert "Waits for its disk" in waits
    Export.objects.update(observed_state="ready")
    ready = operator_client.get(f"/devices/{device.mac}/").content.decode()
    assert "Boots disk-1 over iSCSI" in ready


def test_a_device_shows_who_is_logged_in_to_its_disk(operator_client: Client, node: StorageNode) -> None:
    device = make(1, node)
    export = Export.objects.get()
    Session.objects.create(
        iqn=export.iqn, handle="1", image=export.image, initiator_name=export.initiator_name,
        address="10.66.0.77", started_at=timezone.now(),
    )  # fmt: skip
    page = operator_client.get(f"/devices/{device.mac}/").content.decode()
    assert "In use" in page
    assert "10.66.0.77" in page


def test_no_secret_is_ever_on_a_page(operator_client: Client, node: StorageNode) -> None:
    device = make(1, node)
    secret = Export.objects.get().chap_secret
    for path in ("/", f"/devices/{device.mac}/", "/images/disk-1/"):
        assert secret not in operator_client.get(path).content.decode()


def test_a_name_is_shown_and_never_run(operator_client: Client, node: StorageNode) -> None:
    device = make(1, node)
    Device.objects.update(name="<script>alert(1)</script>" + "x" * 170)
    Image.objects.update(name="<img src=x onerror=alert(1)>")
    for path in ("/", "/devices/", f"/devices/{device.mac}/", "/images/", "/images/disk-1/", "/boots/"):
        page = operator_client.get(path).content.decode()
        assert "<script>alert" not in page, path
        assert "<img src=x" not in page, path
