"""What the page of a Raspberry Pi shows besides what every device has."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bootflow import pi_overview
from bootflow.models import BootPlan, KernelSet, PiTree
from bootflow.raspberry_pi.advice import advice_of
from bootflow.raspberry_pi.machine_id import ROM
from bootflow.raspberry_pi.waiting.outlook import WaitingSystem
from bootflow.services import register_profile
from devices.models import Device, DeviceState
from images.models import Export, StorageNode
from images.services import create_image

MAC = "dc:a6:32:00:00:01"


@pytest.fixture
def pi(node: StorageNode) -> Device:
    create_image(image_id="kiosk", name="Kiosk", size_bytes=2**30, device_type="raspi")
    device = register_profile(mac=MAC, device_type="raspi", name="signage", image_id="kiosk")
    Export.objects.update(observed_state="ready")
    return device


def tree(device: Device, state: str = "ready", **fields: object) -> PiTree:
    given: dict[str, object] = {"names": ["9ffefdef", "dc-a6-32-00-00-01"], "boots": "kiosk, its head"}
    return PiTree.objects.create(
        device=device, state=state, observed_at=timezone.now(), **{**given, **fields}
    )


def page_of(client: Client, device: Device) -> str:
    answer = client.get(f"/devices/{device.mac}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_pi_shows_under_which_names_its_files_are_served(operator_client: Client, pi: Device) -> None:
    tree(pi)
    page = page_of(operator_client, pi)
    assert "9ffefdef/" in page
    assert "dc-a6-32-00-00-01/" in page
    assert "kiosk, its head" in page
    assert "Boots kiosk over iSCSI" in page


def test_a_pi_leads_to_the_kernel_set_that_it_chose(operator_client: Client, pi: Device) -> None:
    tree(pi)
    link = '<a href="/kernel-sets/rpi/">'
    assert link not in page_of(operator_client, pi)
    KernelSet.objects.create(name="rpi")
    BootPlan.objects.update(kernel_set="rpi")
    assert link in page_of(operator_client, pi)


def test_a_file_that_is_missing_is_named_before_the_pi_tries(operator_client: Client, pi: Device) -> None:
    tree(pi, "incomplete", missing=["fixup4.dat", "start4.elf"])
    page = page_of(operator_client, pi)
    assert "Files are missing" in page
    assert "Its firmware needs fixup4.dat, start4.elf." in page
    assert page.count("start4.elf") >= 2


@pytest.mark.parametrize("made", [True, False])
def test_a_pi_whose_tree_is_not_there_yet_waits_for_it(
    operator_client: Client, pi: Device, made: bool
) -> None:
    if made:
        tree(pi, "waiting", names=[], last_error="The disk is being read.")
    page = page_of(operator_client, pi)
    assert "Waits for its files" in page
    assert ("The disk is being read." in page) is made


def test_two_pis_that_claim_one_serial_both_say_so(operator_client: Client, pi: Device) -> None:
    tree(pi, "conflict", last_error="school-2 has the serial 9ffefdef, too.")
    page = page_of(operator_client, pi)
    assert "Two devices claim one serial" in page
    assert "school-2 has the serial" in page


def test_a_pi_without_a_disk_says_what_it_boots_instead(operator_client: Client, pi: Device) -> None:
    Export.objects.all().delete()
    tree(pi, boots="the kernel set nfs, without a disk")
    page = page_of(operator_client, pi)
    assert "No disk" in page
    assert "the kernel set nfs, without a disk" in page
    assert "local disk" not in page.split("Last boots")[0]


def test_a_disabled_pi_has_no_files_and_no_local_disk_to_go_on_to(
    operator_client: Client, pi: Device
) -> None:
    Device.objects.update(state=DeviceState.DISABLED)
    page = page_of(operator_client, pi)
    assert "its files are not served" in page
    assert "the device is disabled" in page


def test_a_boot_once_of_a_pi_is_told_to_be_of_no_use_and_can_be_taken_back(
    operator_client: Client, pi: Device
) -> None:
    tree(pi)
    assert "Set the next boot" not in page_of(operator_client, pi)
    BootPlan.objects.update(boot_once="menu")
    page = page_of(operator_client, pi)
    assert "set its next boot as planned" in page
    assert "Set the next boot" in page


def test_what_a_pi_told_of_itself_is_shown(operator_client: Client, pi: Device) -> None:
    facts = {"model": "Raspberry Pi 4 Model B Rev 1.4", "board_revision": "d03114", "memory": "8192"}
    Device.objects.update(facts=facts, serial="100000009ffefdef")
    page = operator_client.get(f"/devices/{pi.mac}/identity/").content.decode()
    for text in (*facts.values(), "100000009ffefdef"):
        assert text in page


def test_a_pc_has_nothing_of_a_pi(operator_client: Client, pi: Device) -> None:
    pc = register_profile(mac="52:54:00:00:00:01", device_type="x64", name="pc")
    page = page_of(operator_client, pc)
    assert "Boot files" not in page
    assert "Set the next boot" in page


def test_the_page_of_a_pi_takes_few_queries_whatever_its_kernel_set_holds(
    operator_client: Client, pi: Device
) -> None:
    tree(pi)
    page_of(operator_client, pi)
    with CaptureQueriesContext(connection) as seen:
        page_of(operator_client, pi)
    assert len(seen) <= 19


def test_an_unknown_pi_shows_its_model_where_it_is_known(operator_client: Client, db: None) -> None:
    Device.objects.create(
        mac=MAC, device_type="raspi", state=DeviceState.DISCOVERED, serial="9ffefdef",
        facts={"model": "Raspberry Pi 5 Model B Rev 1.0"}, last_seen_at=timezone.now(),
    )  # fmt: skip
    for path in ("/", f"/devices/{MAC}/", f"/devices/{MAC}/approve/"):
        page = operator_client.get(path).content.decode()
        assert "Raspberry Pi 5 Model B Rev 1.0" in page, path
        assert "9ffefdef" in page, path


def test_a_pi_whose_initramfs_cannot_reach_a_disk_cannot_boot(operator_client: Client, pi: Device) -> None:
    tree(pi, "incomplete", last_error="initramfs8 has no iSCSI.")
    page = page_of(operator_client, pi)
    assert "Cannot boot" in page
    assert "initramfs8 has no iSCSI." in page


def unknown(model: str) -> Device:
    return Device.objects.create(
        mac=MAC, device_type="raspi", state=DeviceState.DISCOVERED, facts={"model": model},
        last_seen_at=timezone.now(),
    )  # fmt: skip


def waiting_system(monkeypatch: pytest.MonkeyPatch, system: WaitingSystem) -> None:
    monkeypatch.setattr(pi_overview, "look_at_waiting_system", lambda: system)


SERVED = WaitingSystem(Path("/waiting"), ("Raspberry Pi 3", "Raspberry Pi 4"))


@pytest.mark.parametrize(
    ("model", "system", "said"),
    [
        ("Raspberry Pi 4 Model B Rev 1.4", SERVED, ""),
        ("", SERVED, ""),
        ("Raspberry Pi 5 Model B Rev 1.0", SERVED, "there is no waiting system for a Raspberry Pi 5"),
        ("Raspberry Pi 4 Model B", WaitingSystem(None, (), "It is being built."), "It is being built."),
    ],
)
def test_a_pi_that_can_show_no_code_is_said_to_keep_retrying(
    operator_client: Client, db: None, monkeypatch: pytest.MonkeyPatch, model: str, system: WaitingSystem,
    said: str,
) -> None:  # fmt: skip
    waiting_system(monkeypatch, system)
    unknown(model)
    for path in ("/", f"/devices/{MAC}/"):
        page = operator_client.get(path).content.decode()
        assert ("keeps retrying to boot" in page) is bool(said), path
        assert said in page, path


def test_a_pc_that_waits_asks_for_no_waiting_system(
    operator_client: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look() -> WaitingSystem:
        raise AssertionError("looked for nobody")

    monkeypatch.setattr(pi_overview, "look_at_waiting_system", look)
    Device.objects.create(mac=MAC, device_type="x64", state=DeviceState.DISCOVERED)
    assert operator_client.get("/").status_code == 200


def test_advice_about_its_bootloader_is_a_title_and_a_text(operator_client: Client, pi: Device) -> None:
    Device.objects.update(facts={"bootloader": ROM}, last_seen_at=timezone.now())
    page = page_of(operator_client, pi)
    (advice,) = advice_of(Device.objects.get())
    card = page.split('id="advice-title"')[1].split("</section>")[0]
    assert advice.title in card
    assert "portfast" in card


def test_a_pc_and_a_pi_without_any_have_no_card_of_advice(operator_client: Client, pi: Device) -> None:
    Device.objects.update(last_seen_at=timezone.now())
    assert "advice-title" not in page_of(operator_client, pi)
    pc = register_profile(mac="52:54:00:00:00:01", device_type="x64", name="pc")
    assert "advice-title" not in page_of(operator_client, pc)


def test_the_list_tells_which_model_a_pi_is(operator_client: Client, pi: Device) -> None:
    Device.objects.update(facts={"model": "Raspberry Pi 4 Model B Rev 1.4"})
    page = operator_client.get("/devices/?columns=model", follow=True).content.decode()
    assert ">Raspberry Pi 4 Model B Rev 1.4<" in page
