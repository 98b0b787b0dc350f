"""Two people change one device: whoever comes second is told who was faster, and nothing is overwritten."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bootflow.editions import edition_of
from bootflow.models import BootPlan, Installer, KernelSet
from bootflow.services import register_profile, set_boot_once, spend_boot_once, update_profile
from devices.models import Device, Group
from devices.services import create_group, follow_channel
from images.services import create_image, register_node
from netboot_site import journal
from netboot_site.formats import GIB
from tests.conftest import Api

MAC = "52:54:00:ab:cd:01"
PATH = f"/api/v1/devices/{MAC}"


@pytest.fixture
def device(db: None) -> Device:
    register_node(name="local", portal_address="10.66.0.1", portal_port=3260)
    create_image(image_id="debian", name="Debian", size_bytes=GIB, device_type="x64")
    Installer.objects.create(name="deb", path="deb", kernel="linux", device_type="x64")
    KernelSet.objects.get_or_create(name="rescue", kernel_url="vmlinuz")
    return register_profile(mac=MAC, device_type="x64", name="pc-1", group=create_group(name="Lab 1"))


SEEN: dict[str, Callable[[Device], object]] = {
    "name": lambda d: update_profile(device=d, name="b"),
    "type": lambda d: update_profile(device=d, device_type="x86"),
    "state": lambda d: update_profile(device=d, enabled=False),
    "group": lambda d: update_profile(device=d, group=None),
    "the group's own name": lambda d: Group.objects.update(name="Lab 9"),
    "channel": lambda d: follow_channel(follower=d, channel="test"),
    "kernel set": lambda d: update_profile(device=d, kernel_set="rescue"),
    "disk": lambda d: update_profile(device=d, image_id="debian"),
    "next boot": lambda d: set_boot_once(device=d, boot_once="installer", installer="deb"),
    "a row changed by hand": lambda d: BootPlan.objects.update(
        config_additions=[{"name": "a", "value": "b"}]
    ),
}


@pytest.mark.parametrize("what", SEEN)
def test_every_change_that_a_person_makes_is_another_edition(device: Device, what: str) -> None:
    before = edition_of(MAC)
    SEEN[what](device)
    assert edition_of(MAC).partition("-")[2] != before.partition("-")[2]


def test_what_a_machine_tells_of_itself_is_no_other_edition(device: Device) -> None:
    before = edition_of(MAC)
    Client().get(f"/boot/script?mac={MAC}&serial=ABC123&product=OptiPlex&platform=efi")
    assert edition_of(MAC) == before


def tag(api: Api) -> str:
    return str(api.get(PATH)["ETag"])


METHODS: dict[str, tuple[str, object]] = {
    "PUT": ("PUT", {"name": "mine", "device_type": "x64"}),
    "PATCH": ("PATCH", {"name": "mine"}),
    "DELETE": ("DELETE", None),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("what", SEEN)
def test_the_api_refuses_whoever_was_slower(api: Api, device: Device, method: str, what: str) -> None:
    seen = tag(api)
    with journal.acting(lambda: "anna"):
        SEEN[what](device)
    before = list(Device.objects.values())
    answer = api.call(METHODS[method][0], PATH, METHODS[method][1], **{"If-Match": seen})
    assert answer.status_code == 412, answer.content
    assert "was changed meanwhile" in json.loads(answer.content)["detail"]
    assert list(Device.objects.values()) == before


def test_the_api_says_who_was_faster_and_with_what(api: Api, device: Device) -> None:
    seen = tag(api)
    with journal.acting(lambda: "anna"):
        update_profile(device=device, name="hers")
    answer = api.call("PATCH", PATH, {"name": "mine"}, **{"If-Match": seen})
    told = json.loads(answer.content)["detail"]
    assert "anna at" in told
    assert "Name: pc-1 → hers" in told


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("match", ["{tag}", "*", "W/{tag}", '"other", {tag}', ""])
def test_the_api_takes_what_nobody_else_has_changed(
    api: Api, device: Device, method: str, match: str
) -> None:
    headers = {"If-Match": match.format(tag=tag(api))} if match else {}
    answer = api.call(METHODS[method][0], PATH, METHODS[method][1], **headers)
    assert answer.status_code in {200, 204}, answer.content
    if answer.status_code == 200:
        assert answer["ETag"] == tag(api)


@pytest.mark.parametrize(
    "match", ['"other"', "other", '"999999-0"', '""', '"x\\u00e9"', '"9' + "9" * 40 + '-1"']
)
def test_the_api_refuses_an_etag_that_it_never_gave(api: Api, device: Device, match: str) -> None:
    assert api.call("PATCH", PATH, {"name": "b"}, **{"If-Match": match}).status_code == 412


def test_a_device_that_boots_meanwhile_is_nobodys_change(api: Api, device: Device) -> None:
    set_boot_once(device=device, boot_once="menu")
    seen = tag(api)
    spend_boot_once(mac=MAC)
    assert api.call("PATCH", PATH, {"name": "b"}, **{"If-Match": seen}).status_code == 200


def test_the_etag_of_an_unchanged_device_stays(api: Api, device: Device, viewer: User) -> None:
    assert tag(api) == tag(api)
