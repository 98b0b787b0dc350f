"""What a person is shown of the next boot is what the boot endpoints answer for the same rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from bootflow import firmware
from bootflow.models import Boot, BootEvent, Installer
from bootflow.preview import MASK, preview_of
from bootflow.services import register_profile, set_boot_once, update_profile
from devices.models import Device, DeviceState
from images.models import Export, Image, Layer, Session, StorageNode
from images.services import assign_image, create_image, register_node
from netboot_site.formats import GIB
from tests.conftest import Api
from tests.images.rows import publish, settle

MAC = "52:54:00:ab:cd:01"
PI_MAC = "dc:a6:32:ab:cd:01"


@pytest.fixture
def device(db: None) -> Device:
    register_node(name="local", portal_address="10.66.0.1", portal_port=3260)
    create_image(image_id="debian", name="Debian", size_bytes=GIB, device_type="x64")
    Installer.objects.create(
        name="deb", path="deb", kernel="linux", initrd="initrd.gz", kernel_cmdline="auto=true",
        device_type="x64",
    )  # fmt: skip
    return register_profile(mac=MAC, device_type="x64", name="pc-one")


def _ready(device: Device) -> None:
    update_profile(device=device, image_id="debian")
    Export.objects.update(observed_state="ready")


def _overlay(device: Device, **fields: str) -> None:
    settle()
    publish(Image.objects.get())
    assign_image(image=Image.objects.get(), device=device, mode="overlay", **fields)
    settle()


def _used(device: Device) -> None:
    _overlay(device, persistence="reset")
    Layer.objects.filter(device=device).update(used_at=timezone.now())


def _moving(device: Device) -> None:
    _overlay(device)
    Layer.objects.filter(device=device).update(used_at=timezone.now())
    publish(Image.objects.get())
    settle()
    Export.objects.update(observed_stale=True)


def _busy(device: Device) -> None:
    _used(device)
    export = Export.objects.get()
    Session.objects.create(
        iqn=export.iqn, handle="1", image=export.image, initiator_name=export.initiator_name,
        started_at=timezone.now(),
    )  # fmt: skip


def _paused(device: Device) -> None:
    _overlay(device)
    Export.objects.update(observed_state="paused")


def _without_address(device: Device) -> None:
    _ready(device)
    StorageNode.objects.update(portal_address=None)


def _failed(device: Device) -> None:
    update_profile(device=device, image_id="debian")
    Export.objects.update(observed_state="pending", last_error="tgtd does not answer.")


def _once(what: str, installer: str | None = None) -> Callable[[Device], None]:
    return lambda device: (set_boot_once(device=device, boot_once=what, installer=installer), None)[1]


def _discovered(device: Device) -> None:
    Device.objects.update(state=DeviceState.DISCOVERED, name="", facts={"product": "OptiPlex"})


def _ignored(device: Device) -> None:
    Device.objects.update(state=DeviceState.DISCOVERED, ignored_at=timezone.now())


CASES: dict[str, tuple[Callable[[Device], object], str, str]] = {
    "no disk": (lambda device: None, "boot menu", "Is a disk assigned?"),
    "a disk of its own": (_ready, "boot image", "Does anything else stand in its way?"),
    "an overlay": (_overlay, "boot image", "Does anything else stand in its way?"),
    "an overlay to reset": (_used, "wait", "Does its overlay begin anew at this boot?"),
    "an overlay to move": (_moving, "wait", "Does its overlay begin anew at this boot?"),
    "an overlay still in use": (_busy, "wait", "Does its overlay begin anew at this boot?"),
    "a disk not ready": (
        lambda device: update_profile(device=device, image_id="debian"), "wait", "Is its disk ready?",
    ),
    "a disk with trouble": (_failed, "wait", "Is its disk ready?"),
    "a paused disk": (_paused, "wait", "Is its disk paused for want of room?"),
    "a node without address": (
        _without_address, "wait", "Is the address of the disk's storage node known?",
    ),
    "an installer once": (
        _once("installer", "deb"), "boot installer", "Is this boot set to something else than the plan?",
    ),
    "the menu once": (_once("menu"), "boot menu", "Is this boot set to something else than the plan?"),
    "the local disk once": (
        _once("local"), "boot local", "Is this boot set to something else than the plan?",
    ),
    "disabled": (
        lambda device: update_profile(device=device, enabled=False), "disabled", "Is it disabled?",
    ),
    "discovered": (_discovered, "await approval", "Has somebody approved it?"),
    "ignored": (_ignored, "ignored", "Is it ignored for good?"),
}  # fmt: skip


def whole(mac: str = MAC) -> Device:
    return Device.objects.select_related("boot_plan", "pi_tree").get(mac=mac)


def served(path: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What firmware is told that asks from its own address; the password as a person is shown it."""
    monkeypatch.setattr(firmware, "owns_address", lambda **_: True)
    answer: HttpResponse = Client().get(path, headers={"X-Real-IP": "10.66.0.50"})
    text = answer.content.decode()
    secret = Export.objects.values_list("chap_secret", flat=True).first()
    return text.replace(secret, MASK) if secret else text


@pytest.mark.parametrize("case", CASES)
def test_the_script_that_is_shown_is_the_one_that_is_served(
    device: Device, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, decision, decided_by = CASES[case]
    prepare(device)
    shown = preview_of(whole())
    assert shown.script == served(f"/boot/script?mac={MAC}", monkeypatch)
    assert shown.decision == decision
    assert [step.question for step in shown.steps if step.decides] == [decided_by]


@pytest.mark.parametrize("case", CASES)
def test_looking_leaves_no_trace(device: Device, case: str) -> None:
    CASES[case][0](device)
    before = list(Device.objects.values()), list(Export.objects.values())
    preview_of(whole())
    assert (list(Device.objects.values()), list(Export.objects.values())) == before
    assert not Boot.objects.exists()
    assert not BootEvent.objects.exists()


@pytest.mark.parametrize("case", ["no disk", "a disk of its own", "disabled", "discovered"])
def test_a_raspberry_pi_is_shown_what_it_is_told(
    device: Device, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Device.objects.update(mac=PI_MAC, device_type="raspi")
    Image.objects.update(device_type="raspi")
    CASES[case][0](Device.objects.get())
    system = "waiting" if case == "discovered" else "initramfs"
    shown = preview_of(whole(PI_MAC))
    assert shown.script == served(f"/boot/pi?mac={PI_MAC}&system={system}", monkeypatch)


def test_the_disks_password_is_shown_to_nobody(device: Device) -> None:
    _ready(device)
    secret = Export.objects.get().chap_secret
    shown = preview_of(whole())
    assert secret not in str(shown)
    assert f"set password {MASK}" in shown.script
    assert shown.target is not None
    assert (shown.target.iqn, shown.target.portal, shown.target.lun) == (
        Export.objects.get().iqn, "10.66.0.1:3260", 1,
    )  # fmt: skip


def test_the_kernel_line_of_an_installer_is_the_one_in_its_script(device: Device) -> None:
    _once("installer", "deb")(device)
    shown = preview_of(whole())
    assert f"kernel {shown.kernel_line} || goto failed" in shown.script
    assert shown.kernel_line.endswith("/boot/files/deb/linux initrd=initrd auto=true")


MODES = {
    "server": ("10.66.0.100 to 10.66.0.150", "undionly.kpxe"), "proxy": ("", "undionly.kpxe"),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_the_dhcp_answer_is_that_of_the_mode(device: Device, mode: str, settings: Any) -> None:
    settings.DHCP_MODE, settings.DHCP_RANGE = mode, "10.66.0.100,10.66.0.150"
    settings.BOOT_INTERFACE, settings.BOOT_ADDRESS = "boot0", "10.66.0.1"
    Device.objects.update(firmware="bios")
    address, file = MODES[mode]
    dhcp = preview_of(whole()).dhcp
    assert (dhcp.interface, [one.asker for one in dhcp.exchanges]) == (
        "boot0", ["Its BIOS", "iPXE, started by its BIOS"],
    )  # fmt: skip
    first, second = (one.answers[0] for one in dhcp.exchanges)
    assert address in first.address
    assert bool(address) == bool(first.address)
    assert (first.file, first.next_server) == (file, "10.66.0.1")
    assert second.file == "http://10.66.0.1:8080/boot/boot.ipxe"


def test_without_dhcp_it_is_said_who_has_to_answer(device: Device, settings: Any) -> None:
    settings.DHCP_MODE = "off"
    dhcp = preview_of(whole()).dhcp
    assert dhcp.exchanges == []
    assert "another server" in dhcp.note


def test_a_pool_that_cannot_be_served_is_told_and_the_rest_is_shown(device: Device, settings: Any) -> None:
    settings.DHCP_MODE, settings.DHCP_RANGE = "server", "nonsense"
    shown = preview_of(whole())
    assert "DHCP_RANGE" in shown.dhcp.note
    assert shown.script.startswith("#!ipxe")


def test_the_api_shows_it_without_a_secret(api: Api, device: Device) -> None:
    _ready(device)
    answer = api.get("/api/v1/devices/52-54-00-AB-CD-01/preview")
    told = json.loads(answer.content)
    assert answer.status_code == 200
    assert (told["decision"], told["title"]) == ("boot image", "Its own disk")
    assert told["steps"][-1]["decides"]
    assert told["target"]["lun"] == 1
    assert Export.objects.get().chap_secret not in answer.content.decode()


def test_the_api_tells_who_changed_what(api: Api, device: Device) -> None:
    api.patch(f"/api/v1/devices/{MAC}", {"name": "b"})
    answer = api.get(f"/api/v1/devices/{MAC}/history?limit=1")
    rows = json.loads(answer.content)
    assert [(row["person"], row["text"]) for row in rows] == [("operator", "Name: pc-one → b")]
    assert answer["X-Total-Count"] == "2"
    api.delete(f"/api/v1/devices/{MAC}")
    assert b"Deleted; its name was b" in api.get(f"/api/v1/devices/{MAC}/history").content


@pytest.mark.parametrize("what", ["preview", "history"])
def test_a_device_that_there_is_not_has_neither(api: Api, device: Device, what: str) -> None:
    assert api.get(f"/api/v1/devices/52:54:00:00:00:99/{what}").status_code == 404
    assert api.get(f"/api/v1/devices/nonsense/{what}").status_code == 422
