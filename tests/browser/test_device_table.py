"""The table of devices in a real browser: ticked rows, the dialog, and no reload."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from devices.models import Device, DeviceState
from tests.browser.chromium import Complaints

pytestmark = [pytest.mark.chromium, pytest.mark.django_db(transaction=True)]
expect.set_options(timeout=15_000)


def mac(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


def make_devices() -> None:
    Device.objects.bulk_create(
        Device(mac=mac(number), name=f"pc-{number}", device_type="x64") for number in range(1, 7)
    )


def test_ticked_rows_are_changed_in_a_dialog_and_stay_ticked_while_the_table_is_renewed(
    dashboard: Page, base: str, complaints: Complaints
) -> None:
    make_devices()
    dashboard.goto(f"{base}/devices/")
    dashboard.evaluate("window.notReloaded = true")
    bar = dashboard.get_by_role("form", name="Selected devices")
    expect(bar).to_be_hidden()
    dashboard.get_by_label("Select pc-2").check()
    dashboard.get_by_label("Select pc-4").click(modifiers=["Shift"])
    expect(bar).to_contain_text("3 selected")
    Device.objects.filter(mac=mac(6)).update(name="pc-renewed")
    expect(dashboard.get_by_role("link", name="pc-renewed")).to_be_visible()
    expect(dashboard.get_by_label("Select pc-3")).to_be_checked()
    bar.get_by_role("button", name="Disable").click()
    dialog = dashboard.get_by_role("dialog")
    expect(dialog).to_contain_text("pc-2")
    expect(dialog).not_to_contain_text("pc-5")
    dialog.get_by_role("button", name="Disable").click()
    expect(dashboard.get_by_text("3 devices are disabled.")).to_be_visible()
    expect(dashboard.get_by_role("row", name="pc-3")).to_contain_text("Disabled")
    expect(bar).to_be_hidden()
    assert Device.objects.filter(state=DeviceState.DISABLED).count() == 3
    assert dashboard.evaluate("window.notReloaded === true"), "the page was loaded again"
    assert complaints.seen == []


def test_all_that_match_are_refused_one_by_one_by_keyboard_alone(
    dashboard: Page, base: str, complaints: Complaints
) -> None:
    make_devices()
    dashboard.goto(f"{base}/devices/?q=pc-")
    everyone = dashboard.get_by_label("Select all devices on this page")
    everyone.focus()
    everyone.press("Space")
    found = dashboard.get_by_label("All 6 found")
    found.focus()
    found.press("Space")
    button = dashboard.get_by_role("button", name="Reset")
    button.focus()
    button.press("Enter")
    dialog = dashboard.get_by_role("dialog")
    expect(dialog).to_contain_text("6 of them have no overlay and will be refused.")
    send = dialog.get_by_role("button", name="Reset the disk")
    send.focus()
    send.press("Enter")
    expect(dialog).to_contain_text("6 refused.")
    expect(dialog).to_contain_text("The device pc-6 has no disk.")
    dashboard.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert complaints.seen == []
