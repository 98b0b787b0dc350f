"""Many unknown machines at once: what each would get, what became of it, and that one stops no other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from bootflow import enrolling
from bootflow.enrolling import MACHINES_MAX, Wish, enroll, plan_of
from bootflow.models import BootPlan, Installer
from bootflow.services import ignore_device, register_profile
from devices.models import Device, DeviceState, Group
from images.models import Export, Image, StorageNode
from images.services import publish_version
from netboot_site.errors import ConflictError
from netboot_site.journal import changes_of
from tests.bootflow.conftest import make_disk
from tests.conftest import Api

PATH = "/api/v1/unknown-devices/approve"
pytestmark = pytest.mark.django_db


def mac(number: int) -> str:
    return f"52:54:00:00:01:{number:02x}"


def strangers(count: int, **fields: Any) -> list[str]:
    """Machines that asked one after the other; the one with the highest address first."""
    now = timezone.now()
    values = {"device_type": "x64", "state": DeviceState.DISCOVERED, **fields}
    macs = [mac(number) for number in range(1, count + 1)]
    Device.objects.bulk_create(
        Device(mac=one, first_seen_at=now - timedelta(seconds=place), **values)
        for place, one in enumerate(macs)
    )
    return macs


def names(answer: Any) -> list[tuple[str, str, str]]:
    return [(one["mac"][-2:], one["name"], one["fate"]) for one in answer.json()["devices"]]


def test_several_are_approved_under_one_pattern_with_a_group_and_overlays(
    api: Api, node: StorageNode, operator: User
) -> None:
    image = make_disk(node, "golden")
    publish_version(image=image)
    Group.objects.create(name="Lab 1")
    body = {
        "macs": strangers(3),
        "name": "lab1-{n:02}",
        "group": "Lab 1",
        "image_id": "golden",
        "mode": "overlay",
    }
    answer = api.post(PATH, body)
    assert answer.status_code == 200
    assert names(answer) == [
        ("01", "lab1-01", "approved"), ("02", "lab1-02", "approved"), ("03", "lab1-03", "approved"),
    ]  # fmt: skip
    told = answer.json()
    assert (told["approved"], told["refused"], told["dry_run"]) == (3, 0, False)
    assert set(Device.objects.values_list("state", "group__name")) == {("enrolled", "Lab 1")}
    assert Export.objects.filter(mode="overlay", image=image).count() == 3
    change = changes_of("device", mac(1)).get(text__startswith="Approved as lab1-01")
    assert change.person == operator.username


def test_a_dry_run_tells_the_same_and_changes_nothing(api: Api) -> None:
    body = {"macs": strangers(2), "name": "pc-{n}", "start": 7}
    dry = api.post(PATH, {**body, "dry_run": True})
    assert names(dry) == [("01", "pc-7", "ready"), ("02", "pc-8", "ready")]
    assert set(Device.objects.values_list("state", "name")) == {("discovered", "")}
    done = api.post(PATH, body)
    assert [one["name"] for one in done.json()["devices"]] == ["pc-7", "pc-8"]


@pytest.mark.parametrize(
    ("order", "told"),
    [("given", ["02", "01", "03"]), ("mac", ["01", "02", "03"]), ("seen", ["03", "02", "01"])],
)
def test_they_are_numbered_in_the_order_that_was_asked_for(api: Api, order: str, told: list[str]) -> None:
    one, two, three = strangers(3)
    answer = api.post(PATH, {"macs": [two, one, three, two], "name": "pc-{n}", "order": order})
    assert names(answer) == [(end, f"pc-{place}", "approved") for place, end in enumerate(told, 1)]


def test_names_that_are_taken_are_skipped_and_told(api: Api) -> None:
    register_profile(mac="52:54:00:00:00:99", device_type="x64", name="pc-2")
    answer = api.post(PATH, {"macs": strangers(2), "name": "pc-{n}"})
    assert names(answer) == [("01", "pc-1", "approved"), ("02", "pc-3", "approved")]
    assert answer.json()["skipped_names"] == ["pc-2"]


def test_one_name_that_is_taken_is_refused(api: Api) -> None:
    register_profile(mac="52:54:00:00:00:99", device_type="x64", name="pc-2")
    answer = api.post(PATH, {"macs": strangers(1), "name": "pc-2"})
    assert names(answer) == [("01", "pc-2", "refused")]
    assert answer.json()["devices"][0]["reason"] == "The name 'pc-2' is taken by another device."


def test_without_a_name_each_is_called_by_what_it_told(api: Api) -> None:
    macs = strangers(2, facts={"product": "Model One"})
    codes = [device.code for device in Device.objects.order_by("mac")]
    answer = api.post(PATH, {"macs": macs})
    assert [one["name"] for one in answer.json()["devices"]] == [f"Model One {code}" for code in codes]


def test_an_exclusive_disk_goes_to_one_and_the_others_are_told(api: Api, node: StorageNode) -> None:
    make_disk(node, "disk-1")
    answer = api.post(PATH, {"macs": strangers(3), "name": "pc-{n}", "image_id": "disk-1"})
    assert [fate for _, _, fate in names(answer)] == ["approved", "refused", "refused"]
    reasons = {one["reason"] for one in answer.json()["devices"][1:]}
    assert reasons == {
        "An exclusive disk has one device, and pc-1 gets this one; overlays of an image go to any number."
    }
    assert Export.objects.get().device.mac == mac(1)
    assert Device.objects.discovered().count() == 2


def test_each_ones_fate_is_told_beside_the_others(api: Api) -> None:
    gone, known, ignored, fine = strangers(4)
    Device.objects.filter(mac=gone).delete()
    register_profile(mac=known, device_type="x64", name="front-desk")
    ignore_device(mac=ignored)
    answer = api.post(PATH, {"macs": [gone, known, ignored, fine], "name": "pc-{n}"})
    assert [one["reason"] for one in answer.json()["devices"]] == [
        "No unknown device with this MAC address has asked to boot.",
        "It is registered already, as 'front-desk'.",
        "It is ignored; take it back first.",
        "",
    ]
    assert Device.objects.get(mac=fine).name == "pc-4", "a number stays with its machine"


def test_what_fails_when_it_is_done_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, approve = plan_of(Wish(tuple(strangers(3)), "pc-{n}")), enrolling.approve_device

    def fail_once(**fields: Any) -> Device:
        if fields["name"] == "pc-2":
            raise ConflictError("The storage node went away.")
        return approve(**fields)

    monkeypatch.setattr(enrolling, "approve_device", fail_once)
    assert [(one.name, one.fate, one.reason) for one in enroll(plan)] == [
        ("pc-1", "approved", ""), ("pc-2", "refused", "The storage node went away."),
        ("pc-3", "approved", ""),
    ]  # fmt: skip


def test_a_name_that_somebody_took_since_the_review_is_not_given_twice() -> None:
    plan = plan_of(Wish(tuple(strangers(2)), "pc-{n}"))
    register_profile(mac="52:54:00:00:00:99", device_type="x64", name="pc-1")
    told = enroll(plan)
    assert [one.fate for one in told] == ["refused", "approved"]
    assert "was given to another device just now" in told[0].reason


def test_a_new_group_is_made_with_the_first_machine_and_not_for_none() -> None:
    macs = strangers(1)
    plan = plan_of(Wish(tuple(macs), "pc-{n}", group="Lab 9"))
    assert plan.makes_group
    assert not Group.objects.exists()
    ignore_device(mac=macs[0])
    enroll(plan_of(plan.wish))
    assert not Group.objects.exists()
    Device.objects.update(ignored_at=None)
    enroll(plan_of(plan.wish))
    assert Device.objects.get().group == Group.objects.get(name="Lab 9")


def test_an_installer_is_started_at_the_next_boot(api: Api, installer: Installer) -> None:
    answer = api.post(PATH, {"macs": strangers(2), "name": "pc-{n}", "installer": installer.name})
    assert (answer.json()["approved"], answer.json()["boot_once"]) == (2, "installer")
    assert set(BootPlan.objects.values_list("boot_once", "boot_once_installer")) == {
        ("installer", installer.name)
    }


@pytest.mark.parametrize(
    ("device_type", "fields", "reason"),
    [
        ("raspi", {"boot_once": "local"}, "has no local disk"),
        ("x86", {"installer": "debian-12"}, "is for x64 devices"),
        ("raspi", {"image_id": "disk-1"}, "is for x64; this is raspi"),
        ("x64", {"image_id": "disk-1", "mode": "overlay"}, "has no version yet"),
        ("x64", {"image_id": "taken"}, "is assigned to pc-07 already"),
        ("x64", {"image_id": "broken"}, "is failed and cannot be assigned"),
    ],
)
def test_what_does_not_fit_is_told(
    api: Api, installer: Installer, device: Device, node: StorageNode,
    device_type: str, fields: dict[str, str], reason: str,
) -> None:  # fmt: skip
    for name in ("disk-1", "taken", "broken"):
        make_disk(node, name)
    Image.objects.filter(pk="broken").update(state="failed")
    Export.objects.create(image_id="taken", device=device, chap_username="a", chap_secret="b")
    macs = strangers(1, device_type=device_type)
    for dry_run in (True, False):
        (one,) = api.post(PATH, {"macs": macs, "name": "x", "dry_run": dry_run, **fields}).json()["devices"]
        assert one["fate"] == "refused"
        assert reason in one["reason"]
    assert Device.objects.discovered().count() == 1


@pytest.mark.parametrize(
    "body",
    [
        {}, {"macs": []}, {"macs": ["nonsense"]}, {"macs": [mac(1)] * (MACHINES_MAX + 1)}, {"name": ""},
        {"name": "{n.__class__}"}, {"name": "a\nb{n}"}, {"name": "x"}, {"name": "pc-{n}", "start": -1},
        {"start": 10**30}, {"order": "random"}, {"group": "none"}, {"image_id": "none"},
        {"installer": "none"}, {"mode": "both"}, {"boot_once": "never"}, {"device_type": "toaster"},
        {"installer": "x", "boot_once": "local"},
    ],
)  # fmt: skip
def test_what_can_be_right_for_none_of_them_is_refused_as_a_whole(api: Api, body: dict[str, Any]) -> None:
    macs = strangers(2)
    answer = api.post(PATH, {"macs": macs, **body} if body else {})
    assert (answer.status_code, Device.objects.discovered().count()) == (422, 2)


def test_a_viewer_approves_nobody(viewer: User, make_api: Callable[..., Api]) -> None:
    assert make_api(viewer).post(PATH, {"macs": strangers(1), "dry_run": True}).status_code == 403


def test_a_plan_costs_the_same_for_one_machine_as_for_a_hundred(
    node: StorageNode, django_assert_num_queries: Any
) -> None:
    publish_version(image=make_disk(node, "golden"))
    macs = strangers(100)
    for some in (macs[:1], macs):
        with django_assert_num_queries(6):
            plan = plan_of(Wish(tuple(some), "pc-{n}", image_id="golden", mode="overlay"))
        assert len(plan.ready) == len(some)
