"""Where there is nothing yet, the dashboard teaches; what is done is ticked off, and then it is gone."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bootflow.models import NetworkChoice, WireLook
from devices.models import Device, DeviceState
from images.models import Image, StorageNode
from netboot_site.figures import gather
from netboot_site.first_start import first_steps

pytestmark = pytest.mark.django_db
MAC = "52:54:00:ab:cd:01"


@pytest.fixture(autouse=True)
def nothing_is_set(settings: Any) -> Any:
    settings.NETWORK_FIXED, settings.BOOT_INTERFACE, settings.DHCP_MODE = [], "eth0", "proxy"
    return settings


def make_image() -> None:
    node = StorageNode.objects.create(name="local", portal_address="10.0.0.1")
    Image.objects.create(id="first", name="first", node=node, size_bytes=2**30, device_type="x64")


def undone() -> list[str]:
    return [step.key for step in first_steps(gather()) if not step.done]


def test_one_step_after_the_other_is_ticked_off() -> None:
    assert undone() == ["network", "wire", "image", "power", "approve"]
    NetworkChoice.objects.create(interface="eth0", dhcp_mode="proxy")
    assert undone() == ["wire", "image", "power", "approve"]
    WireLook.objects.create(interface="eth0", observed_at=timezone.now())
    assert undone() == ["image", "power", "approve"]
    make_image()
    assert undone() == ["power", "approve"]
    device = Device.objects.create(mac=MAC, device_type="x64", state=DeviceState.DISCOVERED)
    assert undone() == ["approve"]
    device.state = DeviceState.ENROLLED
    device.save()
    assert first_steps(gather()) == []


def test_an_interface_that_the_environment_sets_is_no_question(nothing_is_set: Any) -> None:
    nothing_is_set.NETWORK_FIXED = ["BOOT_INTERFACE"]
    assert "network" not in undone()


def test_a_machine_that_has_appeared_shows_that_the_network_is_right() -> None:
    Device.objects.create(mac=MAC, device_type="x64", state=DeviceState.DISCOVERED)
    assert undone() == ["image", "approve"]


def test_the_page_leads_to_the_next_step(operator_client: Client) -> None:
    page = operator_client.get("/").content.decode()
    assert "0 of 5 done" in page
    assert 'id="step-network" href="/network/"' in page
    assert page.count('aria-current="step"') == 1
    for text in ("Now power on a machine", "Served now: eth0 (proxy)", "New image"):
        assert text in page, text


def test_a_viewer_sees_the_steps_and_no_button(viewer_client: Client) -> None:
    page = viewer_client.get("/").content.decode()
    assert "Choose the boot network" in page
    assert "step-network" not in page


def test_a_house_that_works_is_not_taught(operator_client: Client) -> None:
    make_image()
    Device.objects.create(mac=MAC, device_type="x64")
    assert "First start" not in operator_client.get("/").content.decode()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/devices/", "ower"),
        ("/images/", "mage"),
        ("/boots/", "power-on"),
        ("/network/", "Nobody has looked"),
    ],
)
def test_each_page_says_what_to_do_where_there_is_nothing(
    operator_client: Client, path: str, told: str
) -> None:
    answer = operator_client.get(path)
    assert answer.status_code == 200
    assert told in answer.content.decode()
