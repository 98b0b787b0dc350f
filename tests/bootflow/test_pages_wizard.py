"""The wizard for new machines, as a browser without our script uses it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bootflow.models import Boot, Installer
from bootflow.services import ignore_device, register_profile
from devices.models import Device, DeviceState, Group
from images.models import Export, StorageNode
from images.services import publish_version
from tests.bootflow.conftest import make_disk
from tests.bootflow.test_enrolling import mac, strangers

pytestmark = pytest.mark.django_db
PAGE = "/devices/wizard/"
SAID = {"name": "lab1-{n:02}", "start": "1", "order": "mac", "device_type": "", "group": "", "boots": ""}


def post(client: Client, to: str, macs: list[str], **said: str) -> Any:
    return client.post(PAGE, {"to": to, "mac": macs, **SAID, **said})


def reviewed(page: str) -> str:
    found = re.search(r'name="reviewed" value="(\w+)"', page)
    assert found is not None, page
    return found[1]


def approve(client: Client, macs: list[str], **said: str) -> Any:
    """Review, and approve what was shown."""
    shown = post(client, "review", macs, **said).content.decode()
    return post(client, "approve", macs, reviewed=reviewed(shown), **said)


def text(answer: Any) -> str:
    """What a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def test_the_list_shows_what_each_machine_told(operator_client: Client) -> None:
    facts = {"manufacturer": "HP", "product": "EliteDesk <b>800</b>", "memory": "8192"}
    (one,) = strangers(1, facts=facts, serial="8CG9120QXH", firmware="uefi", last_seen_at=timezone.now())
    page = text(operator_client.get(PAGE))
    for told in (
        Device.objects.get().code,
        "HP EliteDesk &lt;b&gt;800&lt;/b&gt;",
        one,
        "8CG9120QXH",
        "UEFI",
        "8192 MiB",
        "Asks now",
    ):
        assert told in page, told


def test_a_silent_machine_and_one_whose_last_boot_failed_say_so(operator_client: Client) -> None:
    now = timezone.now()
    (one,) = strangers(1, last_seen_at=now - timedelta(hours=3))
    Boot.objects.create(
        mac=one, started_at=now, last_event_at=now, finished_at=now, stage="tftp", outcome="failed",
        reason="No script was asked for.",
    )  # fmt: skip
    page = text(operator_client.get(PAGE))
    assert "Silent asked" in page
    assert "Its last boot failed: No script was asked for." in page


def test_the_live_part_tells_only_what_is_new(operator_client: Client) -> None:
    strangers(1)
    first = operator_client.get(f"{PAGE}live/").content.decode()
    assert 'hx-preserve="true"' in first, "a tick would be lost by the next news"
    seen = re.search(r"seen=(\w+)", first)
    assert seen is not None
    again = f"{PAGE}live/?seen={seen[1]}"
    assert operator_client.get(again).status_code == 204
    Device.objects.create(mac=mac(9), device_type="x64", state=DeviceState.DISCOVERED)
    assert mac(9) in operator_client.get(again).content.decode()


def test_ticks_and_what_was_typed_survive_the_way_back(operator_client: Client) -> None:
    one, two = strangers(2)
    back = post(operator_client, "machines", [two], name="desk-{n}").content.decode()
    assert re.search(rf'value="{two}"[^>]* checked', back)
    assert not re.search(rf'value="{one}"[^>]* checked', back)
    assert 'name="name" value="desk-{n}"' in back
    assert 'value="desk-{n}"' in post(operator_client, "settings", [two], name="desk-{n}").content.decode()


def test_machines_are_named_grouped_given_overlays_and_approved(
    operator_client: Client, node: StorageNode
) -> None:
    publish_version(image=make_disk(node, "golden"))
    macs = strangers(3)
    said = {"group": "Lab 1", "boots": "overlay:golden"}
    shown = text(post(operator_client, "review", macs, **said))
    for told in ("lab1-01", "lab1-03", "new group Lab 1", "Overlay of Golden", "Approve 3 machines"):
        assert told in shown, told
    assert not Group.objects.exists()
    assert text(approve(operator_client, macs, **said)).count("lab1-0") == 3
    assert list(Device.objects.values_list("name", "group__name", "export__mode")) == [
        (f"lab1-0{number}", "Lab 1", "overlay") for number in (1, 2, 3)
    ]


@pytest.mark.parametrize(("order", "first"), [("mac", 1), ("seen", 3)])
def test_the_order_can_be_seen_and_changed(operator_client: Client, order: str, first: int) -> None:
    macs = strangers(3)
    shown = text(post(operator_client, "review", macs, order=order))
    code = Device.objects.get(mac=mac(first)).code
    assert f"lab1-01 {code}" in shown


def test_an_exclusive_image_for_several_is_told_and_overlays_are_offered(
    operator_client: Client, node: StorageNode
) -> None:
    image = make_disk(node, "golden")
    macs = strangers(2)
    shown = text(post(operator_client, "review", macs, boots="golden"))
    assert "two that write one disk destroy it" in shown
    assert "publish a version of Golden first" in shown
    assert "Approve 1 of 2" in shown
    publish_version(image=image)
    assert "Give each an overlay" in text(post(operator_client, "review", macs, boots="golden"))
    assert "Approve 2 machines" in text(post(operator_client, "overlay", macs, boots="golden"))


def test_each_ones_fate_is_told(operator_client: Client, node: StorageNode) -> None:
    make_disk(node, "disk-1")
    told = text(approve(operator_client, strangers(2), boots="disk-1"))
    assert "1 approved, 1 not" in told
    assert "An exclusive disk has one device, and lab1-01 gets this one" in told
    assert Export.objects.get().device.name == "lab1-01"
    assert Device.objects.discovered().count() == 1


def test_nothing_is_approved_that_was_not_reviewed(operator_client: Client) -> None:
    macs = strangers(2)
    shown = reviewed(post(operator_client, "review", macs).content.decode())
    register_profile(mac="52:54:00:00:00:99", device_type="x64", name="lab1-01")
    answer = post(operator_client, "approve", macs, reviewed=shown)
    assert (answer.status_code, Device.objects.known().count()) == (422, 1)
    assert "Something has changed since you looked" in text(answer)
    assert "Left out, since other devices have them: lab1-01" in text(answer)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "This field is required"),
        ("name", "front-desk", "Several machines need a number"),
        ("name", "{n.__class__}", "other braces mean nothing"),
        ("name", "a${n}", "cannot hold ${"),
        ("name", "x" * 199 + "{n}", "at most 200"),
        ("start", "-1", "greater than or equal to 0"),
        ("start", "many", "whole number"),
        ("order", "random", "not one of the available choices"),
        ("device_type", "toaster", "not one of the available choices"),
        ("group", "a\u200bb", "one line"),
        ("boots", "none-such", "not one of the available choices"),
    ],
)
def test_each_wrong_field_is_told_beside_it_and_the_input_is_kept(
    operator_client: Client, field: str, value: str, message: str
) -> None:
    macs = strangers(2)
    answer = post(operator_client, "review", macs, **{"group": "Lab 1", field: value})
    page = answer.content.decode()
    assert answer.status_code == 422
    error = re.search(rf'id="id_{field}_error">([^<]*)', page)
    assert error is not None, page
    assert message in error[1].replace("&#x27;", "'")
    assert all(f'name="mac" value="{one}"' in page for one in macs)
    assert "Lab 1" in page or field == "group"


@pytest.mark.parametrize("macs", [[], ["nonsense"], ["a\0b"], ["52:54:00:00:00:77"]])
def test_without_a_machine_it_does_not_go_on(operator_client: Client, macs: list[str]) -> None:
    answer = post(operator_client, "settings", macs)
    assert (answer.status_code, "Tick at least one machine." in text(answer)) == (422, True)


def test_only_what_fits_every_chosen_machine_is_offered(
    operator_client: Client, node: StorageNode, installer: Installer
) -> None:
    make_disk(node, "disk-1")
    pc, pi = strangers(2)
    Device.objects.filter(mac=pi).update(device_type="raspi")
    for macs, offered in (([pc], True), ([pi], False), ([pc, pi], False)):
        page = post(operator_client, "settings", macs).content.decode()
        for choice in ("disk-1", f"installer:{installer.name}", "once:local"):
            assert (f'value="{choice}"' in page) is offered, (macs, choice)
    assert "No disk fits both Raspberry Pis and PCs" in page


def test_a_viewer_approves_and_ignores_nobody(viewer_client: Client) -> None:
    (one,) = strangers(1)
    for path in (PAGE, f"{PAGE}live/", f"/devices/{one}/ignore/"):
        assert viewer_client.get(path).status_code == 403
        assert viewer_client.post(path, {"to": "approve", "mac": one}).status_code == 403
    assert viewer_client.post(f"/devices/{one}/heed/").status_code == 403
    assert viewer_client.get("/devices/ignored/").status_code == 200


def test_a_machine_is_ignored_after_a_question_and_taken_back(operator_client: Client) -> None:
    (one,) = strangers(1)
    path = f"/devices/{one}/ignore/"
    assert "goes on to its local disk at once" in text(operator_client.get(path))
    assert one not in text(operator_client.post(path, follow=True)).replace(f"{one} is ignored", "")
    ignored = operator_client.get("/devices/ignored/").content.decode()
    assert one in ignored
    own = text(operator_client.get(f"/devices/{one}/"))
    assert "Ignored" in own
    assert "Take back" in own
    assert one in text(operator_client.post(f"/devices/{one}/heed/", follow=True))
    assert one in operator_client.get(PAGE).content.decode()


def test_pages_cost_the_same_for_one_machine_as_for_a_hundred(
    operator_client: Client, node: StorageNode, django_assert_max_num_queries: Any
) -> None:
    publish_version(image=make_disk(node, "golden"))
    macs = strangers(100)
    ignore_device(mac=macs[0])
    for some in (macs[1:2], macs[1:]):
        Device.objects.filter(mac__in=macs[1:]).exclude(mac__in=some).update(ignored_at=timezone.now())
        with django_assert_max_num_queries(7):
            operator_client.get(PAGE)
        with django_assert_max_num_queries(8):
            post(operator_client, "settings", some)
        with django_assert_max_num_queries(16):
            post(operator_client, "review", some, boots="overlay:golden")
        Device.objects.filter(mac__in=macs[1:]).update(ignored_at=None)
