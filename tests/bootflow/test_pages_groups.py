"""Pages of groups, and what the API changes of one."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from devices.models import Device, DeviceState, Group
from netboot_site.models import Change
from tests.conftest import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(db: None) -> Group:
    room = Group.objects.create(name="Room 1", channel="test")
    for number, state in enumerate((DeviceState.ENROLLED, DeviceState.DISABLED)):
        Device.objects.create(
            mac=f"52:54:00:00:00:0{number}", name=f"pc-{number}", device_type="x64", group=room, state=state
        )
    return room


def test_a_group_is_shown_with_its_devices_and_channel(operator_client: Client, room: Group) -> None:
    page = operator_client.get("/groups/").content.decode()
    assert "2 devices" in page
    assert "1 enabled" in page
    assert "channel-test" in page
    assert "/devices/?group=Room+1" in page


def test_a_group_is_made_renamed_and_deleted_and_its_devices_stay(
    operator_client: Client, room: Group
) -> None:
    operator_client.post("/groups/new/", {"name": "Room 2", "channel": "production"})
    made = Group.objects.get(name="Room 2")
    assert made.channel == "production"
    operator_client.post(f"/groups/{room.pk}/edit/", {"name": "Hall", "channel": ""})
    room.refresh_from_db()
    assert (room.name, room.channel) == ("Hall", "")
    question = operator_client.get(f"/groups/{room.pk}/delete/").content.decode()
    assert "2 devices are in no group then." in question
    operator_client.post(f"/groups/{room.pk}/delete/")
    assert not Group.objects.filter(name="Hall").exists()
    assert Device.objects.filter(group=None).count() == 2
    notes = Change.objects.filter(kind="group", key="Hall").values_list("text", flat=True)
    assert {"Renamed from Room 1", "Deleted, with 2 devices in it"} <= set(notes)
    assert Change.objects.filter(kind="device", text="In no group: Hall was deleted").count() == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "required"), ("Room 1", "exists already"), ("${x}", "boot scripts would expand"),
     ("a\nb", "one line"), ("x" * 201, "at most 200")],
)  # fmt: skip
def test_a_wrong_name_is_told_beside_its_field_and_kept(
    operator_client: Client, room: Group, name: str, said: str
) -> None:
    other = Group.objects.create(name="Room 2")
    for path in ("/groups/new/", f"/groups/{other.pk}/edit/"):
        answer = operator_client.post(path, {"name": name, "channel": "test"})
        assert answer.status_code == 422
        page = answer.content.decode()
        assert said in page.split('id="id_name_error"')[1].split("</div>")[0]
        assert '<option value="test" selected>' in page
    assert Group.objects.count() == 2


def test_groups_cost_as_many_queries_however_many_they_are(operator_client: Client, room: Group) -> None:
    def cost() -> int:
        operator_client.get("/groups/")
        with CaptureQueriesContext(connection) as seen:
            operator_client.get("/groups/")
        return len(seen)

    one = cost()
    Group.objects.bulk_create(Group(name=f"Lab {number}") for number in range(49))
    assert cost() == one


def test_many_groups_have_pages(operator_client: Client) -> None:
    Group.objects.bulk_create(Group(name=f"Lab {number:03}") for number in range(60))
    page = operator_client.get("/groups/?page=2").content.decode()
    assert "Lab 055" in page
    assert "Lab 001" not in page
    assert 'href="/groups/?page=1"' in page


def test_a_viewer_looks_at_groups_and_changes_none(viewer_client: Client, room: Group) -> None:
    assert "/edit/" not in viewer_client.get("/groups/").content.decode()
    for path in ("/groups/new/", f"/groups/{room.pk}/edit/", f"/groups/{room.pk}/delete/"):
        assert viewer_client.post(path, {"name": "x"}).status_code == 403


def test_the_api_renames_a_group_and_leaves_what_is_not_given(api: Api, room: Group) -> None:
    answer = api.patch("/api/v1/groups/Room%201", {"name": "Hall"})
    assert answer.json() == {"id": room.pk, "name": "Hall", "channel": "test", "device_count": 2}  # type: ignore[attr-defined]
    Group.objects.create(name="Room 2")
    assert api.patch(f"/api/v1/groups/{room.pk}", {"name": "Room 2", "channel": ""}).status_code == 409
    room.refresh_from_db()
    assert (room.name, room.channel) == ("Hall", "test")
    assert api.patch(f"/api/v1/groups/{room.pk}", {"name": "${x}"}).status_code == 422
