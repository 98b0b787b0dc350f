"""The pages in a real browser: live, quiet in the console, usable by keyboard and on a phone."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Locator, Page, expect

from bootflow.models import KernelSet
from bootflow.services import register_profile
from devices.models import Device, DeviceState
from images.models import Channel, Export, Image
from images.services import create_image, register_node
from netboot_site.formats import GIB
from tests.browser.believable import PASSWORD as LAB_PASSWORD
from tests.browser.chromium import Complaints, sign_in
from tests.images.overlays import published, settle

pytestmark = [pytest.mark.chromium, pytest.mark.django_db(transaction=True)]
expect.set_options(timeout=15_000)  # an idle page asks every five seconds
MAC = "52:54:00:ab:cd:01"


@pytest.fixture
def image(live_server: object) -> Image:
    # The browser's tests empty the tables; what a migration put there is put back.
    KernelSet.objects.get_or_create(name="default", defaults={"is_default": True})
    register_node(name="local", portal_address="10.66.0.1", portal_port=3260)
    return create_image(image_id="debian", name="Debian 12", size_bytes=GIB, device_type="x64")


def power_on() -> Device:
    facts = {"manufacturer": "QEMU", "product": "Standard PC"}
    return Device.objects.create(mac=MAC, device_type="x64", state=DeviceState.DISCOVERED, facts=facts)


def code_of(page: Page, device: Device) -> Locator:
    return page.locator(".waiting-code", has_text=device.code)


def mark(page: Page) -> None:
    """A trace in the page that a reload would wipe."""
    page.evaluate("window.notReloaded = true")


def assert_not_reloaded(page: Page) -> None:
    assert page.evaluate("window.notReloaded === true"), "the page was loaded again"


def test_a_machine_appears_and_is_approved_with_a_disk_without_a_reload(
    dashboard: Page, image: Image, complaints: Complaints
) -> None:
    mark(dashboard)
    device = power_on()
    expect(code_of(dashboard, device)).to_be_visible()
    dashboard.get_by_role("link", name=f"Approve {device.code}").click()
    dialog = dashboard.get_by_role("dialog")
    dialog.get_by_label("Name").fill("lab1-01")
    dialog.get_by_label("Group").fill("Lab 1")
    dialog.get_by_label("Disk").select_option("debian")
    dialog.get_by_role("button", name="Approve").click()
    expect(dialog).not_to_be_visible()
    expect(dashboard.get_by_text("lab1-01 is approved and boots now.")).to_be_visible()
    expect(code_of(dashboard, device)).not_to_be_visible()
    assert_not_reloaded(dashboard)
    assert Export.objects.get().device.name == "lab1-01"
    assert complaints.seen == []


def test_a_form_being_filled_in_survives_what_happens_meanwhile(
    dashboard: Page, image: Image, complaints: Complaints
) -> None:
    device = power_on()
    dashboard.get_by_role("link", name=f"Approve {device.code}").click()
    name = dashboard.get_by_role("dialog").get_by_label("Name")
    name.fill("half-typed")
    other = Device.objects.create(mac="52:54:00:00:00:09", device_type="x64", state=DeviceState.DISCOVERED)
    expect(code_of(dashboard, other)).to_be_attached()
    expect(name).to_have_value("half-typed")
    expect(name).to_be_focused()


def test_a_refused_form_stays_in_the_dialog_with_its_input(dashboard: Page, image: Image) -> None:
    device = power_on()
    dashboard.get_by_role("link", name=f"Approve {device.code}").click()
    dialog = dashboard.get_by_role("dialog")
    dialog.get_by_label("Name").fill("a${b}")
    dialog.get_by_label("Group").fill("Lab 1")
    dialog.get_by_role("button", name="Approve").click()
    expect(dialog.get_by_text("cannot hold ${")).to_be_visible()
    expect(dialog.get_by_label("Group")).to_have_value("Lab 1")


def test_only_images_that_fit_the_chosen_type_are_offered(dashboard: Page, image: Image) -> None:
    create_image(image_id="pi-os", name="Pi OS", size_bytes=GIB, device_type="raspi")
    device = power_on()
    dashboard.get_by_role("link", name=f"Approve {device.code}").click()
    dialog = dashboard.get_by_role("dialog")
    dialog.get_by_label("Type").select_option("raspi")
    usable = dialog.get_by_label("Disk").locator("optgroup:not([disabled]) option")
    expect(usable).to_have_text(["Pi OS (pi-os)"])


def test_an_image_is_made_and_assigned(
    dashboard: Page, base: str, image: Image, complaints: Complaints
) -> None:
    register_profile(mac=MAC, device_type="x64", name="pc-one")
    dashboard.goto(f"{base}/images/_new/")
    dashboard.get_by_text("Nothing yet").click()
    dashboard.get_by_label("Name", exact=True).fill("Ubuntu 24.04")
    expect(dashboard.get_by_label("Id", exact=True)).to_have_value("ubuntu-24-04")
    dashboard.get_by_label("Size in GiB").fill("8")
    dashboard.get_by_role("button", name="Create").click()
    expect(dashboard.get_by_role("heading", name="Ubuntu 24.04", exact=True)).to_be_visible()
    dashboard.get_by_role("link", name="Assign").click()
    dialog = dashboard.get_by_role("dialog")
    dialog.get_by_label("Device").select_option(MAC)
    dialog.get_by_role("button", name="Assign", exact=True).click()
    expect(dashboard.get_by_text("Ubuntu 24.04 is assigned.")).to_be_visible()
    expect(dashboard.get_by_text("it alone writes the head")).to_be_visible()
    assert Export.objects.get().device.mac == MAC
    assert complaints.seen == []


def test_nothing_is_asked_while_nobody_looks(dashboard: Page) -> None:
    asked: list[str] = []
    dashboard.on("request", lambda request: asked.append(request.url) if "/live/" in request.url else None)
    dashboard.evaluate("Object.defineProperty(document, 'hidden', {configurable: true, get: () => true})")
    dashboard.wait_for_timeout(6_500)
    assert asked == []
    dashboard.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    with dashboard.expect_request("**/dashboard/live/**"):
        pass


def test_what_has_not_changed_is_not_sent_again(dashboard: Page) -> None:
    with dashboard.expect_response("**/dashboard/live/**") as first:
        pass
    assert first.value.status == 204


def test_dark_colours_follow_the_system_and_the_button_and_are_kept(
    browser: Browser, base: str, live_server: object
) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(f"{base}/login/")
    theme = page.locator("html")
    expect(theme).to_have_attribute("data-bs-theme", "dark")
    page.get_by_role("button", name="Light or dark").click()
    expect(theme).to_have_attribute("data-bs-theme", "light")
    page.reload()
    expect(theme).to_have_attribute("data-bs-theme", "light")
    context.close()


def test_pages_work_without_javascript(browser: Browser, base: str, image: Image) -> None:
    User.objects.create_user("operator", password=LAB_PASSWORD, is_staff=True)
    device = power_on()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, base, "operator", LAB_PASSWORD)
    page.get_by_role("link", name=f"Approve {device.code}").click()
    page.get_by_label("Name").fill("no-script")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("no-script is approved and boots now.")).to_be_visible()
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    context.close()


def test_a_version_is_published_promoted_and_rolled_back_without_a_reload(
    dashboard: Page, base: str, image: Image, complaints: Complaints
) -> None:
    published(image, comment="the first")
    dashboard.goto(f"{base}/images/debian/")
    mark(dashboard)
    dashboard.get_by_role("link", name="Publish").click()
    dialog = dashboard.get_by_role("dialog")
    dialog.get_by_label("Comment").fill("the second")
    dialog.get_by_role("button", name="Publish").click()
    expect(dashboard.get_by_role("link", name="the second")).to_be_visible()
    dashboard.get_by_role("button", name="Promote version 1 to test").click()
    expect(dashboard.get_by_text("The channel test names version 1")).to_be_visible()
    settle(image)
    dashboard.get_by_role("link", name="Roll back").click()
    dialog.get_by_role("button", name="Roll back").click()
    expect(dashboard.get_by_text("Debian 12 stands on version 1 again.")).to_be_visible()
    assert_not_reloaded(dashboard)
    assert Channel.objects.get().version.number == 1
    assert complaints.seen == []


def test_a_question_that_is_cancelled_closes_its_dialog_and_stays_on_the_page(
    dashboard: Page, base: str, image: Image
) -> None:
    dashboard.goto(f"{base}/images/debian/")
    mark(dashboard)
    dashboard.get_by_role("link", name="Assign").click()
    dialog = dashboard.get_by_role("dialog")
    dialog.get_by_role("link", name="Cancel").click()
    expect(dialog).not_to_be_visible()
    assert_not_reloaded(dashboard)
