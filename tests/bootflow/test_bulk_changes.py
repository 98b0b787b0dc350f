"""One change of many devices: each on its own, told one by one, begun once, stopped at will."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bootflow import bulk as bulk_module
from bootflow.bulk import begin_bulk, carry_on, carry_on_with_all, macs_done, stop_bulk
from bootflow.bulk_actions import _CHANGES
from bootflow.jobs.tasks import go_on
from bootflow.models import BootPlan, BulkAction, BulkChange, Installer
from bootflow.services import register_profile
from devices.models import Device, DeviceState, Group
from images.models import Export, Session, StorageNode
from netboot_site.errors import OrchestratorError
from netboot_site.models import Change
from tests.bootflow.conftest import make_disk
from tests.conftest import Api

pytestmark = pytest.mark.django_db
PATH = "/api/v1/devices/bulk"


def mac(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


@pytest.fixture
def six(db: None) -> list[str]:
    for number in range(1, 7):
        register_profile(mac=mac(number), device_type="x64", name=f"pc-{number}")
    return [mac(number) for number in range(1, 7)]


def begun(action: str, macs: list[str], **arguments: Any) -> BulkChange:
    return begin_bulk(number=uuid4(), action=action, arguments=arguments, macs=macs, person="anna")


def finished(action: str, macs: list[str], **arguments: Any) -> BulkChange:
    bulk = begun(action, macs, **arguments)
    carry_on(bulk=bulk, seconds=30)
    assert bulk.state == "done"
    return bulk


def test_devices_are_disabled_and_enabled_and_the_journal_names_who_did_it(six: list[str]) -> None:
    assert macs_done(finished("disable", six[:2])) == six[:2]
    disabled = Device.objects.filter(state=DeviceState.DISABLED).values_list("mac", flat=True)
    assert sorted(disabled) == six[:2]
    finished("enable", six[:2])
    assert not Device.objects.filter(state=DeviceState.DISABLED).exists()
    people = set(Change.objects.filter(kind="device", key__in=six[:2]).values_list("person", flat=True))
    assert people <= {"anna", ""}


def test_devices_move_to_a_group_and_out_of_it(six: list[str]) -> None:
    room = Group.objects.create(name="Room 1")
    finished("group", six, group="Room 1")
    assert room.devices.count() == 6
    finished("group", six[:2], group=None)
    assert room.devices.count() == 4


def test_the_next_boot_of_many_is_set_and_one_that_the_installer_does_not_fit_is_told(
    six: list[str], installer: Installer
) -> None:
    Device.objects.filter(mac=six[0]).update(device_type="raspi")
    bulk = finished("boot-once", six, boot_once="installer", installer=installer.name)
    assert BootPlan.objects.filter(boot_once="installer").count() == 5
    assert [row["mac"] for row in bulk.refused] == [six[0]]
    assert "is for x64 devices" in bulk.refused[0]["reason"]
    finished("boot-once", six[1:], boot_once="")
    assert not BootPlan.objects.exclude(boot_once="").exists()


def test_one_disk_that_only_one_can_have_goes_to_the_first_and_the_others_are_told(
    six: list[str], node: StorageNode
) -> None:
    make_disk(node, "disk-1")
    bulk = finished("assign", six[:3], image_id="disk-1")
    assert macs_done(bulk) == [six[0]]
    assert {row["reason"] for row in bulk.refused} == {"The image 'disk-1' is assigned to pc-1 already."}


def test_a_device_keeps_the_disk_that_it_has_when_another_one_is_assigned(
    six: list[str], node: StorageNode
) -> None:
    make_disk(node, "disk-1")
    make_disk(node, "disk-2")
    finished("assign", six[:1], image_id="disk-1")
    bulk = finished("assign", six[:1], image_id="disk-2")
    assert "unassign that first" in bulk.refused[0]["reason"]
    assert Export.objects.get().image_id == "disk-1"


def test_a_disk_in_use_stays_and_the_others_go(six: list[str], node: StorageNode) -> None:
    for number in (1, 2):
        make_disk(node, f"disk-{number}")
        finished("assign", [mac(number)], image_id=f"disk-{number}")
    export = Export.objects.get(device__mac=mac(1))
    Session.objects.create(
        iqn=export.iqn, handle="1", image=export.image, initiator_name=export.initiator_name,
        started_at=timezone.now(),
    )  # fmt: skip
    for action in ("unassign", "delete"):
        bulk = finished(action, six[:3])
        assert [row["mac"] for row in bulk.refused] == [mac(1)] if action == "unassign" else True
        assert "in use by pc-1" in bulk.refused[0]["reason"]
    assert sorted(Device.objects.values_list("name", flat=True)) == ["pc-1", "pc-4", "pc-5", "pc-6"]


def test_a_reset_is_refused_for_what_is_no_overlay(six: list[str]) -> None:
    bulk = finished("reset", six[:1])
    assert bulk.refused == [{"mac": six[0], "name": "pc-1", "reason": "The device pc-1 has no disk."}]


def test_who_is_gone_or_not_approved_by_its_turn_is_told(six: list[str]) -> None:
    bulk = begun("disable", [*six, "52:54:00:ff:ff:ff"])
    Device.objects.filter(mac=six[0]).delete()
    Device.objects.filter(mac=six[1]).update(state=DeviceState.DISCOVERED)
    carry_on(bulk=bulk, seconds=30)
    told = {row["mac"]: row["reason"] for row in bulk.refused}
    assert set(told) == {six[0], six[1], "52:54:00:ff:ff:ff"}
    assert "not registered any more" in told[six[0]]
    assert "approve it first" in told[six[1]]


def test_the_same_confirmation_twice_is_one_change(six: list[str]) -> None:
    number = uuid4()
    for _ in range(2):
        bulk = begin_bulk(number=number, action="disable", arguments={}, macs=six[:1], person="anna")
        carry_on(bulk=bulk, seconds=5)
        Device.objects.update(state=DeviceState.ENROLLED)
    assert BulkChange.objects.count() == 1
    assert not Device.objects.filter(state=DeviceState.DISABLED).exists(), "it was carried out twice"


def test_what_takes_long_goes_on_later_where_it_was(six: list[str]) -> None:
    bulk = begun("disable", six)
    with patch.object(bulk_module.time, "monotonic", side_effect=[0.0, *[n * 1.0 for n in range(99)]]):
        carry_on(bulk=bulk, seconds=3)
    assert (bulk.state, bulk.turn, bulk.left) == ("running", 3, 3)
    assert Device.objects.filter(state=DeviceState.DISABLED).count() == 3
    carry_on_with_all(seconds=30)
    bulk.refresh_from_db()
    assert (bulk.state, bulk.left) == ("done", 0)
    assert Device.objects.filter(state=DeviceState.DISABLED).count() == 6


def test_the_timer_goes_on_with_what_was_begun(six: list[str]) -> None:
    bulk = begun("disable", six)
    assert "bootflow.bulk" in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert go_on.name == "bootflow.bulk"
    go_on()
    bulk.refresh_from_db()
    assert bulk.state == "done"
    person = Change.objects.filter(kind="device", key=six[0]).values_list("person", flat=True)
    assert set(person) <= {"anna", ""}


def test_it_stops_when_somebody_says_so_and_what_had_no_turn_stays(six: list[str]) -> None:
    bulk = begun("disable", six)

    take_turn = bulk_module._take_turn

    def turn_and_stop(running: BulkChange) -> None:
        take_turn(running)
        if running.turn == 2:
            stop_bulk(bulk=running)

    with patch.object(bulk_module, "_take_turn", turn_and_stop):
        carry_on(bulk=bulk, seconds=30)
    assert (bulk.state, bulk.turn, bulk.left) == ("stopped", 2, 4)
    carry_on_with_all(seconds=30)
    assert Device.objects.filter(state=DeviceState.DISABLED).count() == 2


def test_each_device_costs_as_many_queries_as_the_other(six: list[str]) -> None:
    def cost(macs: list[str]) -> int:
        bulk = begun("disable", macs)
        with CaptureQueriesContext(connection) as seen:
            carry_on(bulk=bulk, seconds=30)
        return len(seen)

    one = cost(six[:1])
    assert cost(six[1:4]) - one == 2 * (cost(six[4:]) - one)


@pytest.mark.parametrize(
    ("action", "arguments", "said"),
    [
        ("explode", {}, "An action is one of"), ("enable", {"group": "x"}, "takes no group"),
        ("group", {"group": "Nowhere"}, "no group named 'Nowhere'"), ("assign", {}, "no image ''"),
        ("assign", {"image_id": "nothing"}, "no image 'nothing'"),
        ("boot-once", {"boot_once": "toast"}, "one of local, menu, installer"),
        ("boot-once", {"boot_once": "installer"}, "no installer named ''"),
    ],
)  # fmt: skip
def test_what_no_device_could_be_given_is_refused_as_a_whole(
    six: list[str], action: str, arguments: Any, said: str
) -> None:
    with pytest.raises(OrchestratorError, match=said):
        begun(action, six, **arguments)
    assert not BulkChange.objects.exists()


def test_no_device_at_all_is_refused(db: None) -> None:
    with pytest.raises(OrchestratorError, match="Choose 1 to"):
        begun("enable", [])


@pytest.mark.parametrize("action", BulkAction.values)
def test_every_action_has_its_change(action: str) -> None:
    assert action in _CHANGES


def test_the_api_tells_the_fate_of_each(six: list[str], api: Api) -> None:
    answer = api.post(PATH, {"action": "reset", "macs": ["5254.0000.0001", six[1].upper()]})
    assert answer.status_code == 200, answer.content
    told = answer.json()  # type: ignore[attr-defined]
    assert told["done"] == []
    assert [row["mac"] for row in told["refused"]] == six[:2]
    assert told["state"] == "done"
    done = api.post(PATH, {"action": "disable", "filter": {"q": "pc-", "status": "enrolled"}}).json()  # type: ignore[attr-defined]
    assert done["done"] == six
    assert api.get(f"{PATH}/{done['id']}").json() == done  # type: ignore[attr-defined]
    assert api.delete(f"{PATH}/{done['id']}").status_code == 204
    assert api.get(f"{PATH}/{done['id']}").json()["state"] == "done"  # type: ignore[attr-defined]


def test_over_the_api_a_chosen_number_makes_a_second_request_harmless(six: list[str], api: Api) -> None:
    body = {"action": "delete", "macs": six[:1], "id": str(uuid4())}
    first = api.post(PATH, body).json()  # type: ignore[attr-defined]
    assert api.post(PATH, body).json() == first  # type: ignore[attr-defined]
    assert first["done"] == six[:1]


@pytest.mark.parametrize(
    "body",
    [
        {"action": "enable"}, {"action": "enable", "macs": []},
        {"action": "enable", "macs": [], "filter": {}},
        {"action": "delete", "filter": {"statuss": "x"}}, {"action": "delete", "macs": ["hello"]},
        {"action": "delete", "macs": "all"}, {"action": "explode", "macs": []}, {"macs": ["525400000001"]},
        {"action": "delete", "macs": ["525400000001"], "force": True},
        {"action": "group", "macs": ["525400000001"], "group": "Nowhere"},
        {"action": "enable", "macs": ["525400000001"], "group": "x"},
        {"action": "enable", "macs": ["525400000001"], "id": "1"},
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_right_changes_nothing(six: list[str], api: Api, body: Any) -> None:
    answer = api.post(PATH, body)
    assert answer.status_code == 422, answer.content
    assert Device.objects.count() == 6


@pytest.mark.parametrize("number", ["1", "x", "6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "%00"])
def test_a_change_that_there_is_not_is_404(api: Api, number: str) -> None:
    assert api.get(f"{PATH}/{number}").status_code == 404
    assert api.delete(f"{PATH}/{number}").status_code == 404


def test_a_viewer_changes_nothing(six: list[str], viewer: User, make_api: Callable[..., Api]) -> None:
    answer = make_api(viewer).post(PATH, {"action": "delete", "macs": six})
    assert answer.status_code == 403
    assert Device.objects.count() == 6
