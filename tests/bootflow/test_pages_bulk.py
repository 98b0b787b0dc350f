"""Pages of one change of many devices: the question that names them, and what became of each."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from bootflow.bulk import begin_bulk, carry_on
from bootflow.bulk_forms import NAMED
from bootflow.models import BootPlan, BulkAction, BulkChange
from bootflow.services import register_profile
from bootflow.views.bulk import SHOWN
from devices.models import Device, DeviceState, Group
from images.models import Export, Image, Session, StorageNode
from images.services import assign_image, create_image
from tests.bootflow.conftest import make_disk
from tests.images.rows import publish, settle

pytestmark = pytest.mark.django_db
PATH = "/devices/bulk/"


def mac(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


@pytest.fixture
def six(db: None) -> list[str]:
    Device.objects.bulk_create(
        Device(mac=mac(number), name=f"pc-{number}", device_type="x64") for number in range(1, 7)
    )
    return [mac(number) for number in range(1, 7)]


@pytest.fixture
def overlays(six: list[str], node: StorageNode) -> Image:
    """pc-1 and pc-2 have an overlay, and pc-1 uses it."""
    image = create_image(image_id="lab", name="Lab", size_bytes=2**30, device_type="x64")
    settle()
    publish(image)
    for device in Device.objects.filter(mac__in=six[:2]):
        assign_image(image=image, device=device, mode="overlay")
    export = Export.objects.get(device__mac=mac(1))
    Session.objects.create(
        iqn=export.iqn, handle="1", image=image, initiator_name=export.initiator_name,
        started_at=timezone.now(),
    )  # fmt: skip
    return image


def asked(client: Client, action: str, macs: list[str]) -> str:
    answer = client.get(PATH, {"action": action, "mac": macs})
    assert answer.status_code == 200
    return answer.content.decode()


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"the form has no {name}"
    return found[1]


def sent(page: str, **more: str) -> dict[str, str]:
    return {name: hidden(page, name) for name in ("action", "number", "macs")} | more


@pytest.mark.parametrize("action", BulkAction.values)
def test_each_question_names_the_devices_and_shows_their_number(
    operator_client: Client, six: list[str], action: str
) -> None:
    page = asked(operator_client, action, six[:3])
    assert "3 devices" in page
    assert [f"pc-{number}" in page for number in range(1, 7)] == [True] * 3 + [False] * 3
    assert not BulkChange.objects.exists()


def test_of_very_many_the_first_are_named_and_the_rest_counted(operator_client: Client) -> None:
    Device.objects.bulk_create(
        Device(mac=mac(number), name=f"pc-{number:03}", device_type="x64") for number in range(1, NAMED + 6)
    )
    page = operator_client.get(PATH, {"action": "delete", "all": "1", "q": "pc"}).content.decode()
    assert f"{NAMED + 5} devices" in page
    assert "and 5 more" in page
    assert f"pc-{NAMED:03}" in page
    assert f">pc-{NAMED + 1:03}<" not in page


def test_all_that_match_are_those_that_were_named_and_not_who_came_later(
    operator_client: Client, six: list[str]
) -> None:
    page = operator_client.get(PATH, {"action": "disable", "all": "1", "q": "pc-"}).content.decode()
    Device.objects.create(mac=mac(99), name="pc-late", device_type="x64")
    operator_client.post(PATH, sent(page))
    enrolled = Device.objects.filter(state=DeviceState.ENROLLED)
    assert [device.name for device in enrolled] == ["pc-late"]


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("reset", ["What 2 overlays hold is lost.", "1 of them uses its disk", "4 of them have no overlay"]),
        ("unassign", ["What 2 overlays hold is lost.", "1 of them uses its disk"]),
        (
            "delete",
            ["Names, groups and plans of 6 devices are lost, and what 2 overlays hold", "uses its disk"],
        ),
        ("assign", ["2 of them have disks already and will be refused"]),
        ("disable", ["start their local disk"]),
    ],
)
def test_a_question_tells_what_is_lost_and_who_holds_it_back(
    operator_client: Client, six: list[str], overlays: Image, action: str, said: list[str]
) -> None:
    page = asked(operator_client, action, six)
    for sentence in said:
        assert sentence in page


def test_the_fate_of_each_is_told(operator_client: Client, six: list[str], overlays: Image) -> None:
    answer = operator_client.post(PATH, sent(asked(operator_client, "reset", six[:3])), follow=True)
    page = answer.content.decode()
    assert "1 device is reset." in page
    assert "2 refused." in page
    assert "in use by pc-1" in page
    assert "The device pc-3 has no disk." in page


def test_in_the_dialog_a_note_tells_that_all_went_well_and_else_the_fates_stand_there(
    operator_client: Client, six: list[str]
) -> None:
    page = asked(operator_client, "disable", six[:2])
    good = operator_client.post(PATH, sent(page), headers={"HX-Request": "true"})
    assert good.status_code == 204
    assert "2 devices are disabled." in good["HX-Trigger"]
    page = asked(operator_client, "reset", six[:1])
    bad = operator_client.post(PATH, sent(page), headers={"HX-Request": "true"})
    assert bad.status_code == 200
    assert b"has no disk" in bad.content
    assert b"<html" not in bad.content


def test_a_second_confirmation_of_the_same_form_does_nothing(operator_client: Client, six: list[str]) -> None:
    form = sent(asked(operator_client, "disable", six))
    first = operator_client.post(PATH, form)
    Device.objects.update(state=DeviceState.ENROLLED)
    assert operator_client.post(PATH, form)["Location"] == first["Location"]
    assert not Device.objects.filter(state=DeviceState.DISABLED).exists()


def test_devices_go_to_a_new_group_and_a_wrong_name_stands_beside_its_field(
    operator_client: Client, six: list[str]
) -> None:
    page = asked(operator_client, "group", six)
    refused = operator_client.post(PATH, sent(page, group="${x}"))
    assert refused.status_code == 422
    assert b"${x}" in refused.content
    assert b"boot scripts would expand" in refused.content
    assert b'id="id_group_error"' in refused.content
    operator_client.post(PATH, sent(page, group="Room 9"))
    assert Group.objects.get().devices.count() == 6


def test_a_disk_and_the_next_boot_are_given_to_all(
    operator_client: Client, six: list[str], overlays: Image
) -> None:
    page = asked(operator_client, "assign", six[2:])
    operator_client.post(PATH, sent(page, image="overlay:lab", persistence="reset"))
    assert Export.objects.filter(mode="overlay", persistence="reset").count() == 4
    operator_client.post(PATH, sent(asked(operator_client, "boot-once", six), choice="menu"))
    assert BootPlan.objects.filter(boot_once="menu").count() == 6


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        ("assign", {}, "This field is required."),
        ("assign", {"image": "nothing"}, "not one of the available"),
        ("assign", {"image": "disk-1", "persistence": "reset"}, "Only an overlay can be reset"),
        ("boot-once", {"choice": "toast"}, "not one of the available"),
        ("enable", {"number": "1"}, "valid UUID"),
        ("enable", {"macs": ""}, "No device is selected"),
    ],
)  # fmt: skip
def test_a_form_with_a_wrong_field_comes_back_and_changes_nothing(
    operator_client: Client, six: list[str], node: StorageNode, action: str, fields: dict[str, str], said: str
) -> None:
    make_disk(node, "disk-1")
    form = sent(asked(operator_client, action, six[:1])) | fields
    answer = operator_client.post(PATH, form)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not BulkChange.objects.exists()


@pytest.mark.parametrize("question", ["", "?action=explode", "?action=%00&all=1"])
def test_an_action_that_there_is_not_is_404(operator_client: Client, question: str) -> None:
    assert operator_client.get(PATH + question).status_code == 404


@pytest.mark.parametrize("question", ["", "&mac=hello", "&mac=%00", "&all=1&q=nobody"])
def test_no_device_at_all_is_told(operator_client: Client, question: str) -> None:
    answer = operator_client.get(f"{PATH}?action=delete{question}")
    assert answer.status_code == 422
    assert b"No device is selected" in answer.content


def test_long_work_shows_how_far_it_is_and_can_be_stopped(operator_client: Client, six: list[str]) -> None:
    bulk = begin_bulk(number=uuid4(), action="disable", arguments={}, macs=six, person="anna")
    page = operator_client.get(f"{PATH}{bulk.pk}/").content.decode()
    assert 'max="6" value="0"' in page
    assert f'hx-get="/devices/bulk/{bulk.pk}/live/' in page
    operator_client.post(f"{PATH}{bulk.pk}/stop/")
    carry_on(bulk=bulk, seconds=5)
    page = operator_client.get(f"{PATH}{bulk.pk}/").content.decode()
    assert "Stopped: 6 stay as they were." in page
    assert "<progress" not in page
    assert not Device.objects.filter(state=DeviceState.DISABLED).exists()


def test_of_very_many_that_are_refused_the_rest_is_counted(operator_client: Client) -> None:
    macs = [f"52:54:00:00:{number // 256:02x}:{number % 256:02x}" for number in range(SHOWN + 3)]
    told = [{"mac": mac, "name": "", "reason": "No disk."} for mac in macs]
    bulk = BulkChange.objects.create(
        action="reset", devices=[[mac, ""] for mac in macs], turn=len(macs), refused=told,
        finished_at=timezone.now(),
    )  # fmt: skip
    page = operator_client.get(f"{PATH}{bulk.pk}/").content.decode()
    assert f"{SHOWN + 3} refused." in page
    assert page.count("No disk.") == SHOWN
    assert "and 3 more" in page


@pytest.mark.parametrize("number", ["1", "x", "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "%00"])
def test_a_change_that_there_is_not_is_404(operator_client: Client, number: str) -> None:
    for end in ("", "live/"):
        assert operator_client.get(f"{PATH}{number}/{end}").status_code == 404
    assert operator_client.post(f"{PATH}{number}/stop/").status_code == 404


def test_a_viewer_is_asked_nothing(viewer_client: Client, db: None) -> None:
    register_profile(mac=mac(1), device_type="x64", name="pc-1")
    assert viewer_client.get(f"{PATH}?action=delete&mac={mac(1)}").status_code == 403
    assert viewer_client.post(PATH, {"action": "delete", "macs": mac(1)}).status_code == 403
    assert Device.objects.exists()
