"""Raspberry Pis and kernel sets in a real browser: live, quiet in the console, and without JavaScript."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from bootflow.models import Boot, BootPlan, KernelSet, KernelSetFile
from bootflow.services import register_profile
from devices.models import Device, DeviceState
from images.models import Export
from images.services import create_image, register_node
from images.services.blobs import blob_pieces
from netboot_site.formats import GIB
from tests.browser.believable import PASSWORD as LAB_PASSWORD
from tests.browser.believable import fill
from tests.browser.chromium import Complaints, sign_in

pytestmark = [pytest.mark.chromium, pytest.mark.django_db(transaction=True)]
expect.set_options(timeout=15_000)  # an idle page asks every five seconds
MAC = "dc:a6:32:7c:20:9d"
MIB = 1024**2


@pytest.fixture
def default_set(live_server: object) -> None:
    """The browser's tests empty the tables; what a migration put there is put back."""
    KernelSet.objects.get_or_create(name="default", defaults={"is_default": True})


@pytest.fixture
def boot_folder(tmp_path: Path) -> Path:
    """A boot folder as it lies on a card: with overlays, and what a Mac leaves behind."""
    folder = tmp_path / "boot"
    (folder / "overlays").mkdir(parents=True)
    for path in ("start4.elf", "kernel8.img", "overlays/vc4-kms-v3d.dtbo", ".DS_Store"):
        (folder / path).write_bytes(path.encode() * 100)
    return folder


def test_an_unknown_pi_appears_on_the_open_dashboard_and_is_approved_without_a_reload(
    dashboard: Page, default_set: None, complaints: Complaints
) -> None:
    register_node(name="local", portal_address="10.66.0.1", portal_port=3260)
    create_image(image_id="pi-os", name="Pi OS", size_bytes=GIB, device_type="raspi")
    dashboard.evaluate("window.notReloaded = true")
    device = Device.objects.create(
        mac=MAC, device_type="raspi", state=DeviceState.DISCOVERED, serial="9ffefdef",
        facts={"model": "Raspberry Pi 4 Model B Rev 1.4", "board_revision": "d03114"},
    )  # fmt: skip
    card = dashboard.locator(".waiting-device", has_text=device.code)
    expect(card).to_contain_text("Raspberry Pi 4 Model B Rev 1.4")
    expect(card).to_contain_text("9ffefdef")
    expect(card).to_contain_text(MAC)
    dashboard.get_by_role("link", name=f"Approve {device.code}").click()
    dialog = dashboard.get_by_role("dialog")
    dialog.get_by_label("Name").fill("signage")
    dialog.get_by_label("Disk").select_option("pi-os")
    dialog.get_by_role("button", name="Approve").click()
    expect(dashboard.get_by_text("signage is approved and boots now.")).to_be_visible()
    expect(card).not_to_be_visible()
    assert dashboard.evaluate("window.notReloaded === true"), "the page was loaded again"
    assert Export.objects.get().device.name == "signage"
    assert complaints.seen == []


def test_a_whole_folder_goes_into_a_kernel_set_with_a_bar_and_without_a_reload(
    dashboard: Page, base: str, default_set: None, boot_folder: Path, complaints: Complaints
) -> None:
    KernelSet.objects.create(name="rpi")
    dashboard.goto(f"{base}/kernel-sets/rpi/")
    dashboard.evaluate("window.notReloaded = true")
    dashboard.get_by_label("A whole folder").set_input_files(boot_folder)
    expect(dashboard.locator("[data-part=name]")).to_contain_text("3 files")
    dashboard.get_by_role("button", name="Upload", exact=True).click()
    expect(dashboard.get_by_text("3 files are here.")).to_be_visible()
    expect(dashboard.get_by_role("link", name="start4.elf")).to_be_visible()
    assert list(KernelSetFile.objects.values_list("path", flat=True)) == [
        "kernel8.img", "overlays/vc4-kms-v3d.dtbo", "start4.elf",
    ]  # fmt: skip
    kernel = KernelSetFile.objects.get(path="kernel8.img").blob_id
    assert b"".join(blob_pieces(sha256=kernel)) == b"kernel8.img" * 100
    assert dashboard.evaluate("window.notReloaded === true"), "the page was loaded again"
    assert complaints.seen == []


def test_what_the_server_refuses_is_told_by_name_and_the_rest_goes_on(
    dashboard: Page, base: str, default_set: None, tmp_path: Path
) -> None:
    KernelSet.objects.create(name="rpi")
    (tmp_path / "two words.txt").write_text("x")
    (tmp_path / "config.txt").write_text("arm_64bit=1")
    dashboard.goto(f"{base}/kernel-sets/rpi/")
    chosen = [tmp_path / "two words.txt", tmp_path / "config.txt"]
    dashboard.get_by_label("Files to upload").set_input_files(chosen)
    dashboard.get_by_role("button", name="Upload", exact=True).click()
    note = dashboard.locator("[data-part=note]")
    expect(note).to_contain_text("1 file is here.")
    expect(note).to_contain_text("two words.txt: A path in a kernel set")
    assert list(KernelSetFile.objects.values_list("path", flat=True)) == ["config.txt"]


def test_an_upload_that_is_cancelled_keeps_what_is_there_and_no_half_file(
    dashboard: Page, base: str, default_set: None, tmp_path: Path
) -> None:
    KernelSet.objects.create(name="rpi")
    (tmp_path / "a.img").write_bytes(b"a")
    (tmp_path / "b.img").write_bytes(bytes(8 * MIB))
    dashboard.goto(f"{base}/kernel-sets/rpi/")
    dashboard.route("**/files/b.img", lambda route: None)  # the line hangs: it never arrives
    chosen = [tmp_path / "a.img", tmp_path / "b.img"]
    dashboard.get_by_label("Files to upload").set_input_files(chosen)
    dashboard.get_by_role("button", name="Upload", exact=True).click()
    expect(dashboard.locator("[data-part=figures]")).to_have_text("b.img")
    dashboard.get_by_role("button", name="Cancel").click()
    expect(dashboard.locator("[data-part=note]")).to_contain_text("Cancelled; 1 file is here.")
    assert list(KernelSetFile.objects.values_list("path", flat=True)) == ["a.img"]


def test_a_file_is_deleted_without_a_reload(
    dashboard: Page, base: str, default_set: None, boot_folder: Path, complaints: Complaints
) -> None:
    KernelSet.objects.create(name="rpi")
    dashboard.goto(f"{base}/kernel-sets/rpi/")
    dashboard.get_by_label("Files to upload").set_input_files(boot_folder / "start4.elf")
    dashboard.get_by_role("button", name="Upload", exact=True).click()
    dashboard.on("dialog", lambda dialog: dialog.accept())
    dashboard.get_by_role("button", name="Delete start4.elf").click()
    expect(dashboard.get_by_text("start4.elf is deleted from rpi.")).to_be_visible()
    expect(dashboard.get_by_text("No files yet")).to_be_visible()
    assert not KernelSetFile.objects.exists()
    assert complaints.seen == []


def test_a_kernel_set_is_filled_without_javascript(
    browser: Browser, base: str, default_set: None, boot_folder: Path
) -> None:
    KernelSet.objects.create(name="rpi")
    User.objects.create_user("operator", password=LAB_PASSWORD, is_staff=True)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, base, "operator", LAB_PASSWORD)
    page.goto(f"{base}/kernel-sets/rpi/")
    page.get_by_label("Files to upload").set_input_files(
        [boot_folder / "start4.elf", boot_folder / "kernel8.img"]
    )
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_text("2 files of rpi can be served now.")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete start4.elf").click()
    expect(page.get_by_text("start4.elf is deleted from rpi.")).to_be_visible()
    assert list(KernelSetFile.objects.values_list("path", flat=True)) == ["kernel8.img"]
    context.close()


def test_a_bootloader_is_rewritten_only_after_the_box_was_ticked(
    dashboard: Page, base: str, default_set: None, complaints: Complaints, tmp_path: Path
) -> None:
    KernelSet.objects.create(name="rpi")
    register_profile(mac=MAC, device_type="raspi", name="signage", kernel_set="rpi")
    (tmp_path / "pieeprom.upd").write_bytes(b"eeprom")
    dashboard.goto(f"{base}/kernel-sets/rpi/")
    dashboard.get_by_label("Files to upload").set_input_files(tmp_path / "pieeprom.upd")
    dashboard.get_by_role("button", name="Upload", exact=True).click()
    expect(dashboard.get_by_text("1 file is here.")).to_be_visible()
    dashboard.goto(f"{base}/devices/{MAC}/preview/")
    dashboard.get_by_role("link", name="Update its bootloader").click()
    dialog = dashboard.get_by_role("dialog")
    expect(dialog).to_contain_text("Keep it powered")
    dialog.get_by_role("button", name="Rewrite it at the next boot").click()
    expect(dialog.get_by_text("required")).to_be_visible()
    assert not BootPlan.objects.get().bootloader_update
    dialog.get_by_label("I have read this").check()
    dialog.get_by_role("button", name="Rewrite it at the next boot").click()
    expect(dialog).not_to_be_visible()
    expect(dashboard.get_by_text("Its next boot rewrites its bootloader.").first).to_be_visible()
    assert BootPlan.objects.get().bootloader_update
    refusals = [text for text in complaints.seen if "422" not in text]  # of the form without its box
    assert refusals == []


def test_no_page_of_pis_complains_or_is_wider_than_a_phone(
    page: Page, base: str, complaints: Complaints
) -> None:
    fill()
    pi = Device.objects.get(name="signage-entrance")
    boot = f"/boots/{_boot_of(pi)}/"
    kernel_set = f"/kernel-sets/{pi.export.image_id}/"
    page.set_viewport_size({"width": 390, "height": 844})
    sign_in(page, base, "admin", LAB_PASSWORD)
    for path in (
        f"/devices/{pi.mac}/", f"/devices/{pi.mac}/boot-files/", f"/devices/{pi.mac}/bootloader/", boot,
        "/kernel-sets/", "/kernel-sets/rpi-6.6/", kernel_set, "/kernel-sets/_new/",
        f"/images/{pi.export.image_id}/",
    ):  # fmt: skip
        page.goto(base + path)
        page.wait_for_load_state("networkidle")
        assert complaints.seen == [], path
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"{path} is {width} pixels wide"


def _boot_of(device: Device) -> int:
    return Boot.objects.filter(mac=device.mac, outcome="ok").values_list("pk", flat=True)[0]
