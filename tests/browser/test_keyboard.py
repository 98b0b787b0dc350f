"""Without a mouse: from signing in to an approved machine, by Tab, Enter and letters alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from devices.models import Device, DeviceState
from tests.browser.chromium import Complaints
from tests.browser.conftest import PASSWORD

pytestmark = [pytest.mark.chromium, pytest.mark.django_db(transaction=True)]
MAC = "52:54:00:ab:cd:01"
# Where the focus is, whether a person sees that, and where it stands on the page.
FOCUS = """() => {
  const element = document.activeElement;
  if (element === document.body) return null;
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  const name = element.getAttribute("aria-label") || element.innerText || element.name;
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return {
    name: name.replace(/\\s+/g, " ").trim(),
    seen: (ring || style.boxShadow !== "none") && box.width > 0 && box.bottom > 0 && box.top < innerHeight,
    inMain: document.getElementById("main").contains(element), top: box.top + scrollY,
  };
}"""


def walk(page: Page, until: str, steps: int = 60) -> list[dict[str, Any]]:
    """Press Tab until the focus is on what is called so; returns every stop on the way."""
    stops: list[dict[str, Any]] = []
    for _ in range(steps):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUS)
        if stop is None:
            continue
        stops.append(stop)
        if stop["name"].startswith(until):
            return stops
    raise AssertionError(f"{steps} times Tab do not lead to {until!r}: {[stop['name'] for stop in stops]}")


def sign_in_by_keyboard(page: Page, base: str) -> None:
    page.goto(f"{base}/login/")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("operator")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{base}/")


def test_the_keyboard_alone_signs_in_opens_and_approves(
    page: Page, base: str, complaints: Complaints
) -> None:
    User.objects.create_user("operator", password=PASSWORD, is_staff=True)
    device = Device.objects.create(mac=MAC, device_type="x64", state=DeviceState.DISCOVERED)
    page.emulate_media(reduced_motion="reduce")  # else the page is still scrolling when it is looked at
    sign_in_by_keyboard(page, base)
    stops = walk(page, f"Approve {device.code}")
    assert stops[0]["name"] == "To the content", "what skips the navigation comes first"
    unseen = [stop for stop in stops if not stop["seen"]]
    assert unseen == [], f"nobody sees that the focus is on {unseen}"
    tops = [stop["top"] for stop in stops if stop["inMain"]]
    assert tops == sorted(tops), f"the focus jumps back: {[stop['name'] for stop in stops]}"
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type("lab1-01")
    page.keyboard.press("Enter")
    expect(page.get_by_text("lab1-01 is approved and boots now.")).to_be_visible()
    expect(dialog).not_to_be_visible()
    assert Device.objects.get().state == DeviceState.ENROLLED
    assert complaints.seen == []


def test_escape_closes_a_dialog_and_the_focus_is_where_it_was(dashboard: Page) -> None:
    device = Device.objects.create(mac=MAC, device_type="x64", state=DeviceState.DISCOVERED)
    dashboard.reload()
    link = dashboard.get_by_role("link", name=f"Approve {device.code}")
    link.focus()
    dashboard.keyboard.press("Enter")
    expect(dashboard.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    dashboard.keyboard.press("Escape")
    expect(dashboard.get_by_role("dialog")).not_to_be_visible()
    expect(link).to_be_focused()
