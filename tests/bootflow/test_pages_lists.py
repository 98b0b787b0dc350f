"""Lists of devices: looked at before they are imported, and exported so that they can come back."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from bootflow.export_list import COLUMNS, armed, disarmed
from bootflow.import_rows import MOST_BYTES
from bootflow.models import BootPlan, DeviceList, KernelSet
from bootflow.services import register_profile
from devices.models import Device, DeviceState, Group
from images.models import Export, Image, StorageNode
from images.services import assign_image, create_image
from netboot_site.models import Change
from tests.conftest import Api
from tests.images.rows import publish, settle

pytestmark = pytest.mark.django_db
PAGE = "/devices/import/"
API = "/api/v1/devices"
HEAD = "mac,name,device_type,group,image,mode,persistence,version,serial,enabled,kernel_set,channel"
HOSTILE = {
    b"": "empty",
    b"\xff\xfem\0a\0c\0": "UTF-16",
    b"mac,name,device_type\n525400000001,\xe9,x64\n": "Line 2 of this file is not in UTF-8",
    b"mac,name,device_type\n525400000001,a\0b,x64\n": "NUL characters",
    b"mac;name;device_type\n525400000001;a;x64\n": "semicolons",
    b"hello": "The first line names the columns",
    b"mac,name,device_type,mac\n": "The first line names the columns",
    b"mac,name,device_type\n": "no line below",
    b"mac,name,device_type\n" + b"x" * MOST_BYTES: "at most 5 MiB",
    b'mac,name,device_type\n525400000001,"' + b"x" * 200_000: "field limit",
}


def upload(client: Client, data: bytes | str, **more: str) -> HttpResponse:
    content = data if isinstance(data, bytes) else data.encode()
    return client.post(PAGE, {"file": SimpleUploadedFile("lab.csv", content), **more})  # type: ignore[return-value]


def previewed(client: Client, data: str, **more: str) -> tuple[str, str]:
    answer = upload(client, data, **more)
    assert answer.status_code == 302, answer.content
    return answer["Location"], client.get(answer["Location"]).content.decode()


def send(api: Api, data: str | bytes, query: str = "") -> Any:
    content = data if isinstance(data, bytes) else data.encode()
    return Client().generic(
        "POST", f"{API}/import{query}", content, content_type="text/csv",
        headers={"Authorization": f"Bearer {api.token}"},
    )  # fmt: skip


def exported(api: Api, query: str = "") -> str:
    answer: Any = api.get(f"{API}/export{query}")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return b"".join(answer.streaming_content).decode()


@pytest.fixture
def lab(node: StorageNode) -> Image:
    """a has an overlay that resets, b the image for itself and is disabled, c is a Pi with strange words."""
    image = create_image(image_id="lab", name="Lab", size_bytes=2**30, device_type="x64")
    settle()
    publish(image)
    own = create_image(image_id="own", name="Own", size_bytes=2**30, device_type="x64")
    KernelSet.objects.create(name="rpi")
    first = register_profile(
        mac="525400000001", device_type="x64", name="a, \u00fcber", group=Group.objects.create(name="=1+1")
    )
    assign_image(image=image, device=first, mode="overlay", persistence="reset", version="1")
    second = register_profile(mac="525400000002", device_type="x64", name="-b", enabled=False, channel="test")
    assign_image(image=own, device=second)
    register_profile(mac="b827eb6c4c16", device_type="raspi", name="'@c", serial="b66c4c16", kernel_set="rpi")
    return image


def state() -> list[tuple[Any, ...]]:
    plans = dict(BootPlan.objects.values_list("device__mac", "kernel_set_id"))
    rows = Device.objects.order_by("mac").values_list(
        "mac", "name", "device_type", "group__name", "serial", "state", "channel", "export__image",
        "export__mode", "export__persistence", "export__follows", "export__version__number",
    )  # fmt: skip
    return [(*row, plans.get(row[0]) or "default") for row in rows]


def test_what_was_exported_changes_nothing_when_it_comes_back(api: Api, lab: Image) -> None:
    before = state()
    answer = send(api, exported(api), "?changes_known=true")
    assert answer.status_code == 200, answer.content
    assert (answer.json()["same"], answer.json()["changed"], answer.json()["new"]) == (3, 0, 0)
    assert state() == before


def test_what_was_exported_makes_the_same_devices_where_there_are_none(api: Api, lab: Image) -> None:
    before, text = state(), exported(api)
    Export.objects.all().delete()
    Device.objects.all().delete()
    Group.objects.all().delete()
    answer = send(api, text)
    assert answer.json().get("new") == 3, answer.content
    assert state() == before


def test_no_cell_of_an_export_is_a_formula(api: Api, lab: Image) -> None:
    rows = list(csv.reader(io.StringIO(exported(api), newline="")))
    assert rows[0] == list(COLUMNS)
    assert {cell for row in rows for cell in row if cell[:1] in "=+-@\t\r" and cell} == set()
    assert {"'=1+1", "'-b", "''@c"} <= {cell for row in rows for cell in row}


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "'=1", "''-1", "'", "''", "a=1", "", "\t=1", "'a"])
def test_what_is_disarmed_comes_back_as_it_was(text: str) -> None:
    assert armed(disarmed(text)) == text
    assert disarmed(text)[:1] not in set("=+-@\t\r")


def test_an_export_holds_what_the_filter_shows(api: Api, lab: Image) -> None:
    assert exported(api, "?q=ber").count("\r\n") == 2
    assert exported(api, "?device_type=raspi&sort=-name").count("\r\n") == 2
    assert (
        exported(api, "?status=disabled")
        .splitlines()[1]
        .startswith("52:54:00:00:00:02,'-b,x64,,own,exclusive")
    )
    assert api.get(f"{API}/export?device_type=toaster").status_code == 422


def test_the_page_gives_the_same_file_with_the_mark_of_utf_8(
    operator_client: Client, viewer_client: Client, api: Api, lab: Image
) -> None:
    for client in (operator_client, viewer_client):
        answer: Any = client.get("/devices/export/?type=x64")
        text = b"".join(answer.streaming_content).decode()
        assert text == "\ufeff" + exported(api, "?device_type=x64")
        assert answer["Content-Disposition"] == 'attachment; filename="devices.csv"'


def test_a_dry_run_tells_each_fate_and_writes_nothing(api: Api, lab: Image) -> None:
    before, notes = state(), Change.objects.count()
    text = (
        f"{HEAD}\n525400000001,a2,x64,New room,,,,,,,,\n525400000009,new,x64,New room,lab,overlay,,,,,,\n"
        "525400000002,-b,x64,,,,,,,no,,test\nhello,x,x64,,,,,,,,,\n52540000000a,x,x64,,lab,,,7,,,,\n"
        "52540000000b,x,x64,,,,,,,maybe,,\n52540000000c,x,x64,,,,,,,,none,\n52540000000d,x,x64,,,,,,,,,beta\n"
    )
    answer = send(api, text, "?dry_run=true&changes_known=true").json()
    assert [row["fate"] for row in answer["rows"]] == ["changed", "new", "same", *["refused"] * 5]
    assert [row["line"] for row in answer["rows"]] == list(range(2, 10))
    assert answer["rows"][0]["why"] == "name: a, \u00fcber \u2192 a2; group: =1+1 \u2192 New room"
    for row, why in zip(
        answer["rows"][3:],
        ["no MAC", "say mode=overlay", "yes or no", "no kernel set", "test` or `production"],
        strict=True,
    ):
        assert why in row["why"]
    assert (answer["dry_run"], answer["imported"], answer["refused"]) == (True, False, 5)
    assert (state(), Change.objects.count()) == (before, notes)
    assert not Group.objects.filter(name="New room").exists()


def test_a_line_about_a_known_device_is_refused_unless_it_may_change(api: Api, lab: Image) -> None:
    before = state()
    answer = send(api, f"{HEAD}\n525400000001,other,x64,,,,,,,,,\n")
    assert answer.status_code == 422
    assert answer.json()["detail"] == "Nothing was imported. line 2: 52:54:00:00:00:01 is registered already."
    assert state() == before


def test_known_devices_become_what_the_list_says_and_the_journal_tells(
    operator_client: Client, lab: Image
) -> None:
    text = f"{HEAD}\n525400000001,a2,x64,,,,,,X1,no,rpi,production\n525400000002,b2,x64,Lab 2,,,,,,yes,,\n"
    location, page = previewed(operator_client, text, changes_known="on")
    assert "Import 2 devices" in page
    assert "name: -b \u2192 b2; group: none \u2192 Lab 2; channel: test \u2192 none; enabled" in page
    operator_client.post(location)
    first, second = Device.objects.order_by("mac")[:2]
    assert (first.name, first.group, first.serial, first.state) == ("a2", None, "X1", DeviceState.DISABLED)
    assert (first.channel, first.boot_plan.kernel_set_id) == ("production", "rpi")
    assert (str(second.group), second.state, second.channel) == ("Lab 2", DeviceState.ENROLLED, "")
    note = Change.objects.filter(key=second.mac, text__startswith="Changed from a list").get()
    assert note.person == "operator"
    assert Export.objects.count() == 2, "an empty image takes nobody's disk"


def test_a_type_that_a_disk_stands_against_and_another_disk_are_refused(api: Api, lab: Image) -> None:
    text = f"{HEAD}\n525400000001,a,x86,,,,,,,,,\n525400000002,-b,x64,,lab,overlay,,,,,,\n"
    rows = send(api, text, "?dry_run=true&changes_known=true").json()["rows"]
    assert [row["fate"] for row in rows] == ["refused", "refused"]
    assert "unassign it first" in rows[0]["why"]
    assert "unassign that first" in rows[1]["why"]


def test_a_device_becomes_another_type_and_gets_a_disk_of_it_by_one_line(api: Api, lab: Image) -> None:
    register_profile(mac="525400000003", device_type="x86", name="d")
    text = f"{HEAD}\n525400000003,d,x64,,lab,overlay,,,,,,\n"
    told = send(api, text, "?changes_known=true").json()
    assert told["rows"][0]["why"] == "type: x86 \u2192 x64; disk: lab"
    assert told["changed"] == 1
    export = Export.objects.get(device__mac="52:54:00:00:00:03")
    assert (export.image_id, export.device.device_type) == ("lab", "x64")


def test_nothing_comes_in_while_one_line_is_refused(operator_client: Client) -> None:
    text = "mac,name,device_type,group\n525400000001,good,x64,Lab\nhello,bad,x64,Lab\n"
    location, page = previewed(operator_client, text)
    assert page.index("Refused</span>") < page.index("New</span>"), "what is to be mended stands first"
    assert '<button class="btn btn-primary" type="submit"' not in page
    answer = operator_client.post(location)
    assert answer.status_code == 422
    assert b"line 3: This is no MAC address" in answer.content
    assert not Device.objects.exists()
    assert not Group.objects.exists()


def test_a_list_comes_in_once_however_often_it_is_confirmed(operator_client: Client) -> None:
    location, page = previewed(operator_client, "mac,name,device_type\n525400000001,pc,x64\n")
    assert "Nothing has been written yet." in page
    assert not Device.objects.exists()
    assert operator_client.post(location)["Location"] == "/devices/"
    Device.objects.all().delete()
    again = operator_client.post(location)
    assert b"was imported; nothing is done a second time" in again.content
    assert not Device.objects.exists()
    assert DeviceList.objects.get().text == ""


@pytest.mark.parametrize(("data", "said"), HOSTILE.items(), ids=list(HOSTILE.values()))
def test_a_file_that_is_no_list_gets_a_sentence_beside_the_field(
    operator_client: Client, data: bytes, said: str
) -> None:
    answer = upload(operator_client, data, changes_known="on")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert said in page.split('id="id_file_error"')[1].split("</div>")[0]
    assert re.search(r'<input[^>]*name="changes_known"[^>]* checked', page), "the tick is lost"
    assert not DeviceList.objects.exists()


@pytest.mark.parametrize(("data", "said"), HOSTILE.items(), ids=list(HOSTILE.values()))
def test_the_api_refuses_a_file_that_is_no_list(api: Api, data: bytes, said: str) -> None:
    answer = send(api, data)
    if said == "no line below":
        assert answer.json()["rows"] == []
        return
    assert answer.status_code == 422, answer.content
    expected = "The first line names the columns" if said == "empty" else said
    assert expected in answer.json()["detail"]


def test_no_file_at_all_is_told_beside_its_field(operator_client: Client) -> None:
    answer = operator_client.post(PAGE, {})
    assert answer.status_code == 422
    assert b"Choose a file." in answer.content


@pytest.mark.parametrize("number", ["1", "x", "00000000-0000-0000-0000-000000000000", "%00"])
def test_a_list_that_there_is_not_is_404(operator_client: Client, number: str) -> None:
    assert operator_client.get(f"{PAGE}{number}/").status_code == 404
    assert operator_client.post(f"{PAGE}{number}/").status_code == 404


def test_a_viewer_imports_nothing(viewer_client: Client, viewer: User, make_api: Any) -> None:
    assert viewer_client.get(PAGE).status_code == 403
    assert upload(viewer_client, "mac,name,device_type\n").status_code == 403
    assert send(make_api(viewer), "mac,name,device_type\n525400000001,a,x64\n").status_code == 403
    assert not Device.objects.exists()


def test_the_cells_of_a_list_are_shown_and_never_run(operator_client: Client) -> None:
    text = "mac,name,device_type\n<script>alert(1)</script>,<img src=x>,x64\n"
    page = previewed(operator_client, text)[1]
    assert "<script>alert" not in page
    assert "<img src=x" not in page
