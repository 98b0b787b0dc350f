"""What an operator does to a Raspberry Pi on its page: serial, lines of config.txt, bootloader."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from bootflow.models import BootPlan, KernelSetFile
from bootflow.services import register_profile
from devices.models import Device, DeviceState
from images.models import StorageNode
from tests.bootflow.test_pages_kernel_sets import PI_4, blob, own_set

MAC = "dc:a6:32:00:00:01"
OLD_MAC = "b8:27:eb:11:22:33"
EDIT = {"name": "signage", "device_type": "raspi", "group": "", "kernel_set": "rpi", "serial": ""}


@pytest.fixture
def pi(node: StorageNode) -> Device:
    own_set("rpi", *PI_4[:-1], "overlays/disable-bt.dtbo")
    return register_profile(mac=MAC, device_type="raspi", name="signage", kernel_set="rpi")


def page_of(client: Client, mac: str = MAC) -> str:
    return client.get(f"/devices/{mac}/").content.decode()


def additions() -> list[dict[str, str]]:
    return BootPlan.objects.get(device__mac=MAC).config_additions


def add(client: Client, name: str, value: str) -> tuple[int, str]:
    answer = client.post(f"/devices/{MAC}/config/add/", {"name": name, "value": value})
    return answer.status_code, answer.content.decode()


def test_lines_are_added_one_after_the_other_and_taken_out(operator_client: Client, pi: Device) -> None:
    for name, value in (("gpu_mem", "64"), ("dtoverlay", "disable-bt")):
        assert add(operator_client, name, value)[0] == 302
    assert additions() == [
        {"name": "gpu_mem", "value": "64"}, {"name": "dtoverlay", "value": "disable-bt"},
    ]  # fmt: skip
    page = page_of(operator_client)
    assert "gpu_mem=64" in page
    operator_client.post(f"/devices/{MAC}/config/remove/", {"line": "gpu_mem=64"})
    assert additions() == [{"name": "dtoverlay", "value": "disable-bt"}]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("gpu_mem", "9999", "is a number from"), ("gpu_mem", "64\n[all]", "one line"),
        ("kernel", "mine.img", "the kernel set does that"), ("enable_uart", "yes", "is 0 or 1"),
        ("program_usb_boot_mode", "1", "into the chip for ever"), ("Bad Name", "1", "small letters"),
        ("dtoverlay", "no-such", "no-such"), ("", "1", "required"), ("gpu_mem", "", "required"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_is_told_beside_its_field_and_changes_nothing(
    operator_client: Client, pi: Device, name: str, value: str, said: str
) -> None:
    status, page = add(operator_client, name, value)
    assert status == 422
    box = page.split('id="config"')[1].split("</section>")[0]
    assert "invalid-feedback" in box
    assert said in box
    assert additions() == []


def test_a_serial_is_set_on_the_page_in_one_spelling(operator_client: Client, pi: Device) -> None:
    answer = operator_client.post(f"/devices/{MAC}/edit/", {**EDIT, "serial": "0x9FFEFDEF"})
    assert answer.status_code == 302
    assert Device.objects.get().serial == "9ffefdef"


@pytest.mark.parametrize("serial", ["hello", "123", "00000000", "9ffefdefff"])
def test_a_serial_that_is_none_is_told_beside_its_field(
    operator_client: Client, pi: Device, serial: str
) -> None:
    answer = operator_client.post(f"/devices/{MAC}/edit/", {**EDIT, "serial": serial})
    assert answer.status_code == 422
    assert 'id="id_serial_error"' in answer.content.decode()
    assert Device.objects.get().serial == ""


def test_a_serial_must_fit_the_address_of_an_old_pi(operator_client: Client, pi: Device) -> None:
    register_profile(mac=OLD_MAC, device_type="raspi", name="old", kernel_set="rpi")
    path = f"/devices/{OLD_MAC}/edit/"
    assert operator_client.post(path, {**EDIT, "serial": "b6999999"}).status_code == 422
    assert operator_client.post(path, {**EDIT, "serial": "b6112233"}).status_code == 302


def test_a_pc_has_no_serial_to_be_typed_and_keeps_its_own(operator_client: Client, pi: Device) -> None:
    pc = register_profile(mac="52:54:00:00:00:01", device_type="x64", name="pc")
    Device.objects.filter(pk=pc.pk).update(serial="CZC47")
    assert 'name="serial"' not in page_of(operator_client, pc.mac)
    form = {**EDIT, "device_type": "x64", "serial": "else"}
    assert operator_client.post(f"/devices/{pc.mac}/edit/", form).status_code == 302
    assert Device.objects.get(pk=pc.pk).serial == "CZC47"


def seen_as(serial: str) -> None:
    Device.objects.filter(mac=MAC).update(serial="100000009ffefdef", facts={"serial_seen": serial})


def test_another_serial_is_shown_and_only_taken_when_a_person_says_so(
    operator_client: Client, pi: Device
) -> None:
    seen_as("a3f1c2d4")
    assert "What it says is not believed by itself" in page_of(operator_client)
    question = operator_client.get(f"/devices/{MAC}/serial/").content.decode()
    assert "password" in question, "what is lost is not told"
    assert Device.objects.get().serial == "100000009ffefdef"
    operator_client.post(f"/devices/{MAC}/serial/")
    assert Device.objects.get().serial == "a3f1c2d4"
    assert "not believed" not in page_of(operator_client)


def test_the_end_of_its_own_serial_contradicts_nothing(operator_client: Client, pi: Device) -> None:
    seen_as("9ffefdef")
    assert "not believed" not in page_of(operator_client)
    assert operator_client.get(f"/devices/{MAC}/serial/").status_code == 404


def updates() -> bool:
    return BootPlan.objects.get(device__mac=MAC).bootloader_update


def test_a_bootloader_is_rewritten_only_after_the_warning_was_confirmed(
    operator_client: Client, pi: Device
) -> None:
    KernelSetFile.objects.create(kernel_set_id="rpi", path="pieeprom.upd", blob=blob("f"))
    path = f"/devices/{MAC}/bootloader/"
    question = operator_client.get(path).content.decode()
    assert "Keep it powered" in question
    assert "has pieeprom.upd for it" in question
    assert operator_client.post(path).status_code == 422
    assert not updates()
    assert operator_client.post(path, {"sure": "on"}).status_code == 302
    assert updates()
    page = page_of(operator_client)
    assert "Its next boot rewrites its bootloader." in page
    operator_client.post(f"{path}keep/")
    assert not updates()


def test_without_the_files_a_bootloader_cannot_be_rewritten(operator_client: Client, pi: Device) -> None:
    assert "into its set first" in operator_client.get(f"/devices/{MAC}/bootloader/").content.decode()
    answer = operator_client.post(f"/devices/{MAC}/bootloader/", {"sure": "on"})
    assert answer.status_code == 422
    assert "neither pieeprom.upd nor recovery.bin" in answer.content.decode()
    assert not updates()


CHANGES = ["serial", "config/add", "config/remove", "bootloader", "bootloader/keep"]


@pytest.mark.parametrize("change", CHANGES)
def test_a_viewer_changes_nothing(viewer_client: Client, pi: Device, change: str) -> None:
    seen_as("a3f1c2d4")
    form = {"name": "gpu_mem", "value": "64", "sure": "on"}
    assert viewer_client.post(f"/devices/{MAC}/{change}/", form).status_code == 403
    assert (additions(), updates(), Device.objects.get().serial) == ([], False, "100000009ffefdef")
    assert "Add the line" not in page_of(viewer_client)


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_no_pi_or_not_approved_has_none_of_it(
    operator_client: Client, pi: Device, change: str
) -> None:
    register_profile(mac="52:54:00:00:00:01", device_type="x64", name="pc")
    Device.objects.create(
        mac="dc:a6:32:00:00:99",
        device_type="raspi",
        state=DeviceState.DISCOVERED,
        last_seen_at=timezone.now(),
    )
    for mac in ("52:54:00:00:00:01", "dc:a6:32:00:00:99"):
        answer = operator_client.post(f"/devices/{mac}/{change}/", {"name": "gpu_mem", "value": "64"})
        assert answer.status_code == 404, mac
