"""One walk over all pages in Chromium: axe-core, a phone's width, the console; light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Page

from tests.browser.believable import PASSWORD, fill
from tests.browser.chromium import Complaints, sign_in
from tests.browser.every_page import FURTHER, every_page

pytestmark = [pytest.mark.chromium, pytest.mark.django_db(transaction=True), pytest.mark.slow]
AXE = (Path(__file__).parent / "vendor/axe-core/axe.min.js").read_text()
SERIOUS = ("serious", "critical")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
# What colours and a narrow window change.
OFTEN_LOST = ["color-contrast", "link-name", "button-name", "label", "select-name"]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture
def walker(browser: Browser, base: str, complaints: Complaints) -> Iterator[Page]:
    """An operator of a believable lab. The tests' own script may run where the site's policy allows none."""
    fill()
    context = browser.new_context(viewport=DESKTOP, bypass_csp=True, color_scheme="light")  # type: ignore[arg-type]
    page = context.new_page()
    complaints.listen_to(page)
    sign_in(page, base, "admin", PASSWORD)
    yield page
    context.close()


def violations(page: Page, only: dict[str, Any]) -> list[str]:
    """What axe-core finds that is serious: the rule, and the first places."""
    found = page.evaluate(
        "only => axe.run(document, {runOnly: only, resultTypes: ['violations']}).then(r => r.violations)",
        only,
    )
    return [
        f"{one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in SERIOUS
    ]


def look_at(page: Page, complaints: Complaints) -> list[str]:
    """What is wrong with the page that is open."""
    page.add_style_tag(content="* { transition: none !important; animation: none !important; }")
    page.evaluate(AXE)
    wrong = [f"light: {one}" for one in violations(page, {"type": "tag", "values": RULES})]
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.bsTheme === 'dark'")
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > PHONE["width"]:
        wrong.append(f"{width} pixels wide on a phone")
    wrong += [f"dark, on a phone: {one}" for one in violations(page, {"type": "rule", "values": OFTEN_LOST})]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESKTOP)
    wrong += complaints.seen
    complaints.seen.clear()
    return wrong


@pytest.mark.timeout(240)
def test_every_page_is_quiet_fits_a_phone_and_leaves_nobody_out(
    walker: Page, base: str, complaints: Complaints
) -> None:
    client = Client()
    client.force_login(User.objects.get(username="admin"))
    pages = every_page(client)
    assert len(pages) > 30, pages
    wrong: dict[str, list[str]] = {}
    for path in pages:
        walker.goto(base + path)
        if found := look_at(walker, complaints):
            wrong[path] = found
    assert wrong == {}, "\n".join(f"{path}\n    " + "\n    ".join(found) for path, found in wrong.items())


def test_pages_that_others_made_are_quiet_too(walker: Page, base: str, complaints: Complaints) -> None:
    for path in FURTHER:
        walker.goto(base + path)
        walker.wait_for_load_state("networkidle")
        seen = [one for one in complaints.seen if "404 (Not Found)" not in one]
        assert seen == [], f"{path}: {seen}"
        complaints.seen.clear()
